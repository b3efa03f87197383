"""The line: what a dry run promises, the run does."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import make_audio
import pytest
from runs import run

from genretagger import cli
