"""Compiles groups of source files, each group in a process of its own that is forked from this one.

What a process has compiled before decides which references a .pyc holds. This process compiles nothing, so the
bytes of a group depend on the group alone, in whatever order and beside whatever others the groups come.

Arguments: how many processes may work at once; the tag in the names of .pyc files; the directory that stands for
/app. Standard input: the names of files below it; each ends with NUL, and an empty name ends a group.
"""

import sys

# Nothing of the working directory is imported.
if sys.path[0] == "":
    del sys.path[0]

import gc
import marshal
import posix
from importlib.util import MAGIC_NUMBER, source_hash

# PEP 552: checked by a hash, but not by the interpreter.
UNCHECKED_HASH = (1).to_bytes(4, "little")


def compile_file(name):
    directory, _, file_name = name.rpartition(b"/")
    cache = directory + b"/__pycache__"
    target = cache + b"/" + file_name[: -len(b".py")] + SUFFIX
    with open(name, "rb", buffering=0) as file:
        source = file.readall()
    try:
        path = (b"/app/" + name).decode("utf-8", "surrogateescape")
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        bytecode = marshal.dumps(code)
    except Exception:
        # Packages ship files on purpose that don't compile.
        try:
            posix.unlink(target)
        except FileNotFoundError:
            pass
        return
    try:
        posix.mkdir(cache)
    except FileExistsError:
        pass
    # Aside first: somebody else's file may be linked there, and this very Python may be running elsewhere.
    with open(target + b".new", "wb") as file:
        file.write(MAGIC_NUMBER + UNCHECKED_HASH + source_hash(source) + bytecode)
    posix.rename(target + b".new", target)


def compile_group(names):
    code = 1
    try:
        for name in names.split(b"\0"):
            compile_file(name)
        code = 0
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    finally:
        posix._exit(code)


def main(workers, groups):
    running, failed = 0, False
    for names in groups:
        if running == workers:
            failed |= posix.wait()[1] != 0
            running -= 1
        if failed:
            break
        if posix.fork() == 0:
            compile_group(names)
        running += 1
    for _ in range(running):
        failed |= posix.wait()[1] != 0
    return 3 if failed else 0


if sys.implementation.cache_tag != sys.argv[2]:
    sys.exit(f"The tag of .pyc files is {sys.implementation.cache_tag}, not {sys.argv[2]}.")
SUFFIX = f".{sys.argv[2]}.pyc".encode()
GROUPS = [names.rstrip(b"\0") for names in sys.stdin.buffer.read().split(b"\0\0") if names]
# When garbage is collected depends on how many groups there are, and what it still holds decides about references.
gc.collect()
gc.disable()
posix.chdir(sys.argv[3])
sys.exit(main(int(sys.argv[1]), GROUPS))
