"""Train, measure and export the model that `genretagger` ships.

The stages are programs joined by files: ``python -m training STAGE``. README.md in
this folder is the protocol. What is measured is what ships: decoding, features,
inference and aggregation are the product's own.
"""
