"""What tests of `punctual optimize` start it with, and what they look at before and after."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
from punctual_server import run
from questions import WIDTH


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def optimize(*arguments) -> subprocess.CompletedProcess:
    return run("optimize", *arguments)


def tensors(folder: Path, count: int = 400) -> Path:
    np.save(folder / "data.npy", np.random.default_rng(5).normal(size=(count, WIDTH)).astype(np.float32))
    return folder / "data.npy"


def configuration(folder: Path, tiers: str) -> Path:
    path = folder / "punctual.toml"
    path.write_text(f'[models]\nrepository = "models"\n[styles]\nday = "m"\n{tiers}')
    return path
