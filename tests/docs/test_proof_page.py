"""The plain lines of the page on proofs: they accept what is true, and refuse what ours refuse."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from storno.domain.proof import write_proof

from ..domain.test_proof import a_proof, changes
from .pages import blocks
from .running import ROOT

PLAIN = {"base64", "json", "struct", "sys", "hashlib"}


@pytest.fixture(scope="module")
def lines() -> str:
    page = (ROOT / "docs/how-to/prove.md").read_text()
    (text,) = [block.text for block in blocks(page) if block.file == "check.py"]
    return text


def passes(script: Path, proof: object) -> bool:
    file = script.with_name("proof.json")
    file.write_text(json.dumps(proof))
    done = subprocess.run([sys.executable, "-I", script, file], capture_output=True)
    return done.returncode == 0


def test_they_import_nothing_of_ours_and_are_few(lines: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse(lines)):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert imported <= PLAIN
    assert len([line for line in lines.splitlines() if line.strip()]) <= 36


def test_they_refuse_a_proof_in_which_anything_was_changed(lines: str, tmp_path: Path) -> None:
    script = tmp_path / "check.py"
    script.write_text(lines)
    proof, size, root = a_proof((2, 1))
    encoded = json.loads(write_proof(proof))
    checkpoint = f"storno/x\n{size}\n{_base64(root)}\n"
    true = encoded | {"checkpoint": checkpoint}
    assert passes(script, true)
    seen = 0
    for name, changed in changes(true):
        if name in ("checkpoint", "events.0 twice"):
            continue  # the origin is bound by a signature alone; and twice the same is true
        assert not passes(script, changed), name
        seen += 1
    assert seen > 30
    assert not passes(script, true | {"checkpoint": f"storno/x\n{size}\n{_base64(bytes(32))}\n"})


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()
