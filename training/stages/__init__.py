"""The stages, one module each: ``python -m training STAGE``.

A stage is a module with ``NAME``, ``HELP`` (for the list of stages), ``add_arguments(parser)``
and ``run(args, say)``; `training.__main__` has the table of all. Stages know each other by
their files alone.
"""
