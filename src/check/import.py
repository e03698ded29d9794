"""Imports a module and says how that went, as one line of JSON on what was standard output."""
import importlib
import json
import os
import sys
import traceback

module, name, *roots = sys.argv[1:]
answers = os.fdopen(os.dup(1), "w")
# What the app prints is no answer.
os.dup2(2, 1)
home = os.path.realpath(os.environ["HOME"])
os.environ.pop("IMPORT_SCRIPT", None)
sys.path[:1] = roots


def own(path):
    # `<frozen os>` and the like are no files.
    if path.startswith("<"):
        return None
    # Bytecode has the names that files have in a dyno.
    if path.startswith("/app/") and not os.path.exists(path):
        path = os.path.join(home, path[len("/app/"):])
    path = os.path.realpath(path)
    inside = path.startswith(home + os.sep)
    relative = os.path.relpath(path, home)
    return relative if inside and not relative.startswith(".heroku") else None


def answer(kind, text, file=None, line=None):
    json.dump({"kind": kind, "text": text, "file": file, "line": line}, answers)
    answers.flush()
    # Threads that the app has started don't keep this process.
    os._exit(0)


try:
    imported = importlib.import_module(module)
except BaseException as error:
    file = line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if own(frame.filename):
            file, line = own(frame.filename), frame.lineno
    if isinstance(error, SyntaxError) and error.filename and own(error.filename):
        file, line = own(error.filename), error.lineno
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    answer(type(error).__name__, text.replace(home + os.sep, "")[:2000], file, line)
if name and not hasattr(imported, name):
    answer("no-attribute", f"the module `{module}` has no `{name}`")
answer("ok", "")
