"""Compile, at build time, the modules that the server imports and that have no byte code yet.

The byte code is marked as never to be checked against its source. That is quicker, and without it the source's time,
which byte code is otherwise checked by, would make each build differ.
"""

import importlib
import py_compile
import sys
from pathlib import Path

for name in (
    "a2wsgi",
    "flask",
    "logging.config",
    "uuid",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
):
    importlib.import_module(name)

for module in sorted(sys.modules):
    spec = getattr(sys.modules[module], "__spec__", None)
    if spec and spec.origin and spec.cached and not Path(spec.cached).exists():
        py_compile.compile(spec.origin, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
