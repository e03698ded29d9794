"""Checks in the environment of a dyno what the app's processes start, and says how that went: a line of JSON for each.

First the files are compiled, without executing them. Then each app is loaded in a process of its own, as the program
does that it is for: gunicorn and Celery do it themselves, what the others do is written here.

Arguments: what the lines begin with, and JSON: `files`, and `targets` with `program`, `loads`, `module`, `name`,
`words`, `calls`, `dir`, `roots`, `env` and `limit`. A third argument says that the files' texts come by standard input,
as a JSON object.
"""
import os
import sys

HOME = os.path.realpath(os.environ["HOME"])
# Where the app's own modules are found is each program's own concern.
if sys.path and sys.path[0] == "":
    del sys.path[0]
# A module of the app may have the name of one that is needed here.
WHOLE_PATH, LOADED_BEFORE = sys.path, set(sys.modules)
OWN_PATH = [path for path in map(os.path.realpath, WHOLE_PATH + [HOME])
            if (path + os.sep).startswith(HOME + os.sep) and not path.startswith(os.path.join(HOME, ".heroku"))]
sys.path = [path for path in WHOLE_PATH if os.path.realpath(path) not in OWN_PATH]

import ast
import importlib
import inspect
import json
import select
import signal
import time
import traceback
import types
import warnings

sys.path = WHOLE_PATH
for name in set(sys.modules) - LOADED_BEFORE:
    if any(os.path.exists(os.path.join(path, name + end)) for path in OWN_PATH for end in (".py", "/__init__.py")):
        del sys.modules[name]

MARK, REQUEST = sys.argv[1], json.loads(sys.argv[2])
ANSWERS = os.dup(1)
# What the app prints is no answer.
os.dup2(2, 1)

SOURCES = json.load(sys.stdin) if len(sys.argv) > 3 else {}

# The most that is kept of what a process writes.
MOST_KEPT = 64 << 10


def answer(**found):
    send(ANSWERS, found)


def send(descriptor, found):
    line = (MARK + json.dumps(found) + "\n").encode()
    while line:
        line = line[os.write(descriptor, line):]


def own(path):
    """Returns the path of one of the app's own files as the user knows it."""
    # `<frozen os>` and the like are no files.
    if path.startswith("<"):
        return None
    # Bytecode has the names that files have in a dyno.
    if path.startswith("/app/") and not os.path.exists(path):
        path = os.path.join(HOME, path[len("/app/"):])
    path = os.path.realpath(path)
    relative = os.path.relpath(path, HOME)
    return relative if path.startswith(HOME + os.sep) and not relative.startswith(".heroku") else None


def describe(error):
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    lines = [line for line in text.splitlines() if line.strip("[] ")]
    if any(line.endswith("Traceback (most recent call last):") for line in lines):
        # Of a message that holds another traceback, what it says first and last.
        text = "\n".join([lines[0], lines[-1]])
    return text.replace(HOME + os.sep, "")[:2000]


# Compiling.


def compile_file(path):
    source = SOURCES.get(path)
    if source is None:
        with open(os.path.join(HOME, path), "rb") as file:
            source = file.read()
    try:
        compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        end = getattr(error, "end_offset", None) if getattr(error, "end_lineno", None) == error.lineno else None
        answer(stage="file", kind=type(error).__name__, text=str(error.msg), file=path, line=error.lineno,
               start=error.offset, end=end)
    except ValueError as error:
        # A NUL byte, in older Pythons.
        answer(stage="file", kind=type(error).__name__, text=str(error), file=path, line=1, start=None, end=None)
    except (RecursionError, MemoryError):
        pass


# Loading.


class NotThere(Exception):
    """The module has no such name."""


class NoApp(Exception):
    """The module makes no app of the kind that is looked for."""


class NotCallable(Exception):
    """What is to be called, or to be the app, can't be called."""


class BadCall(Exception):
    """What makes the app takes other arguments."""

    def __init__(self, reason, takes, argument):
        super().__init__(reason)
        self.takes, self.argument = takes, argument


def import_program(name):
    """Imports what a program of an installed package starts with."""
    try:
        from importlib.metadata import entry_points
    except ImportError:
        return
    try:
        found = list(entry_points(group="console_scripts", name=name))
    except TypeError:
        found = [entry for entry in entry_points().get("console_scripts", ()) if entry.name == name]
    for entry in found[:1]:
        module, _, attribute = entry.value.split("[")[0].replace(" ", "").partition(":")
        # As the script in `bin` does: what is imported from a package may be a module of its own.
        __import__(module, fromlist=[attribute.split(".")[0]])


def lookup(module, name):
    found = importlib.import_module(module)
    for part in filter(None, (name or "").split(".")):
        if not hasattr(found, part):
            raise NotThere("the module `%s` has no `%s`" % (module, name))
        found = getattr(found, part)
    return found


def shown(found):
    """Says what a value is, without what it holds."""
    if found is None or isinstance(found, types.ModuleType):
        return "None" if found is None else "a module"
    return "a value of the type `%s`" % type(found).__name__


def parse_call(expression):
    """Returns the name that is called with its arguments, all of them literal; nothing if it is no such call."""
    tree = ast.parse(expression, mode="eval").body
    if not isinstance(tree, ast.Call) or "**" in expression or any(isinstance(one, ast.Starred) for one in tree.args):
        return None
    name = ast.unparse(tree.func) if hasattr(ast, "unparse") else expression.split("(")[0]
    args = [(ast.literal_eval(one), (one.col_offset, one.end_col_offset)) for one in tree.args]
    keywords = [(one.arg, ast.literal_eval(one.value), (getattr(one, "col_offset", one.value.col_offset), one.value.end_col_offset))
                for one in tree.keywords]
    return name, args, keywords


def takes(name, found, signature):
    """Shows what a function takes. What its defaults are stays untold: they may be config vars."""
    def plain(one):
        is_open = one.default is inspect.Parameter.empty or isinstance(one.default, (bool, type(None)))
        return one.replace(annotation=inspect.Parameter.empty, default=one.default if is_open else Ellipsis)
    text = str(signature.replace(return_annotation=inspect.Signature.empty,
                                 parameters=[plain(one) for one in signature.parameters.values()]))
    text = text.replace("=Ellipsis", "=...")
    code = getattr(found, "__code__", None)
    file = own(code.co_filename) if code else None
    return "`%s%s`" % (name, text) + (", %s:%d" % (file, code.co_firstlineno) if file else "")


def check_call(found, name, args, keywords):
    """Raises what is wrong with a call that has raised a TypeError by itself."""
    if not callable(found):
        raise NotCallable("`%s` is %s" % (name, shown(found)))
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return
    values, named = [value for value, _ in args], {key: value for key, value, _ in keywords}
    try:
        signature.bind(*values, **named)
        return
    except TypeError as error:
        reason = str(error)
    argument = None
    for index, (_, where) in enumerate(args):
        if argument is None and not binds(signature, values[:index + 1], {}):
            argument = where
    for index, (_, _, where) in enumerate(keywords):
        if argument is None and not binds(signature, values, dict(list(named.items())[:index + 1])):
            argument = where
    raise BadCall(reason, takes(name, found, signature), argument)


def binds(signature, args, keywords):
    try:
        signature.bind_partial(*args, **keywords)
    except TypeError:
        return False
    return True


def call(found, name, args=(), keywords=()):
    """Calls what makes the app, as the command says."""
    try:
        return found(*[value for value, _ in args], **{key: value for key, value, _ in keywords})
    except TypeError as error:
        # It was raised here, and not in what is called.
        if error.__traceback__.tb_next is None:
            check_call(found, name, args, keywords)
        raise


def evaluate(module, expression):
    """A name, or a call with literal arguments."""
    parsed = parse_call(expression)
    if parsed is None:
        return lookup(module, expression)
    name, args, keywords = parsed
    return call(lookup(module, name), name, args, keywords)


def served(found, name):
    """Checks that an app can be called: whatever serves it does so for each request."""
    if not callable(found) and not hasattr(found, "__rsgi__"):
        raise NotCallable("`%s` is %s" % (name, shown(found)))


class ProgramFailed(Exception):
    """The program ends before it loads the app; its cause says why."""


def load_gunicorn(target):
    try:
        from gunicorn.app.wsgiapp import WSGIApplication
    except ImportError:
        if target["module"]:
            name = target["name"] or "application"
            served(evaluate(target["module"], name), name)
        return
    sys.argv = [os.path.join(os.path.dirname(sys.executable), "gunicorn")] + target["words"]
    try:
        application = WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]")
        # A worker class that isn't there is found by looking at it.
        application.cfg.worker_class
    except BaseException as error:
        raise ProgramFailed() from error
    try:
        found = application.load()
    except Exception as error:
        explain_call(getattr(application, "app_uri", None) or "", error)
        raise
    served(found, target["name"] or "application")


def explain_call(uri, error):
    """Raises what is wrong with the call of a factory, if that is what has raised an error."""
    module, _, expression = uri.partition(":")
    is_own = any(own(frame.filename) for frame in traceback.extract_tb(error.__traceback__))
    # It has been imported; to do that again could have effects.
    if is_own or module not in sys.modules:
        return
    try:
        parsed = parse_call(expression)
    except (SyntaxError, ValueError):
        return
    found = getattr(sys.modules[module], parsed[0] if parsed else expression or "application", NotThere)
    if found is NotThere:
        return
    if parsed is None:
        served(found, expression or "application")
        return
    check_call(found, *parsed)
    if "Failed to find application object" in str(error):
        raise NotCallable("`%s` returns None" % expression)


def load_uvicorn(target):
    found, name = lookup(target["module"], target["name"]), target["name"] or ""
    if target["calls"]:
        served(call(found, name), name + "()")
        return
    try:
        found()
    except TypeError:
        # Whatever takes arguments is an app already.
        served(found, name)


def load_plain(target):
    found, name = lookup(target["module"], target["name"]), target["name"] or ""
    if target["calls"]:
        found, name = call(found, name), name + "()"
    if target["program"] in ("daphne", "granian", "waitress-serve"):
        served(found, name)


def load_hypercorn(target):
    module = importlib.import_module(target["module"])
    name = target["name"] or "app"
    if not hasattr(module, name.split("(")[0].split(".")[0]):
        raise NotThere("the module `%s` has no `%s`" % (target["module"], name))
    try:
        found = eval(name, vars(module))
    except TypeError as error:
        explain_call(target["module"] + ":" + name, error)
        raise
    served(found, name)


def find_without_celery(module, name):
    try:
        return lookup(module, name)
    except ModuleNotFoundError as error:
        # The last part may be a name in the module before it.
        parent, _, last = module.rpartition(".")
        if name or not parent or error.name != module:
            raise
        return lookup(parent, last)


def load_celery(target):
    name = target["module"] + (":" + target["name"] if target["name"] else "")
    try:
        from celery.app.utils import find_app
    except ImportError:
        find_without_celery(target["module"], target["name"])
        return
    try:
        found = find_app(name)
    except AttributeError as error:
        if any(own(frame.filename) for frame in traceback.extract_tb(error.__traceback__)):
            raise
        raise NoApp("the module `%s` makes no Celery app" % name)
    if isinstance(found, types.ModuleType):
        raise NoApp("the module `%s` makes no Celery app" % name)
    if {"worker", "beat"} & set(target["words"]):
        found.loader.import_default_modules()


def load_dramatiq(target):
    found = lookup(target["module"], target["name"])
    if target["name"] and callable(found):
        found = found()
    if target["name"]:
        try:
            from dramatiq import Broker
        except ImportError:
            return
        if not isinstance(found, Broker):
            raise NoApp("`%s:%s` is no broker of Dramatiq's" % (target["module"], target["name"]))
    for word in target["words"]:
        importlib.import_module(word)


def load_taskiq(target):
    found = lookup(target["module"], target["name"])
    if isinstance(found, types.FunctionType):
        found()
    for word in target["words"]:
        importlib.import_module(word)


LOADERS = {
    "celery": load_celery,
    "dramatiq": load_dramatiq,
    "gunicorn": load_gunicorn,
    "hypercorn": load_hypercorn,
    "taskiq": load_taskiq,
    "uvicorn": load_uvicorn,
}


def load(index, target):
    """Loads an app, and returns how that went."""
    program = target["program"]
    stage = "program"
    try:
        os.environ.update({name: os.path.expandvars(value) for name, value in target["env"].items()})
        os.chdir(os.path.join(HOME, target["dir"]))
        import_program(program)
        stage = "app"
        sys.path[:0] = [os.path.join(HOME, root) for root in target["roots"]]
        importlib.invalidate_caches()
        if target["loads"]:
            LOADERS.get(program, load_plain)(target)
    except ProgramFailed as error:
        return failure(index, "program", target, error.__cause__)
    except BaseException as error:
        return failure(index, stage, target, error)
    return {"target": index, "stage": "app", "kind": "ok", "text": ""}


def failure(index, stage, target, error):
    file = line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if own(frame.filename):
            file, line = own(frame.filename), frame.lineno
    if isinstance(error, SyntaxError) and error.filename and own(error.filename):
        file, line = own(error.filename), error.lineno
    kind = type(error).__name__
    module = target["module"]
    if stage == "app" and file is None:
        name = getattr(error, "name", None)
        if isinstance(error, ModuleNotFoundError) and name and (module + ".").startswith(name + "."):
            kind = "no-module"
        elif isinstance(error, NoApp):
            kind = "no-app"
        elif isinstance(error, NotThere) or kind == "AppImportError":
            kind = "no-attribute"
    text = str(error) if kind.startswith("no-") else describe(error)
    found = {"target": index, "stage": stage, "kind": kind, "text": text, "file": file, "line": line}
    if isinstance(error, NotCallable):
        found.update(kind="not-callable", text=str(error))
    elif isinstance(error, BadCall):
        start, end = error.argument or (None, None)
        found.update(kind="bad-call", text=str(error), takes=error.takes, start=start, end=end)
    return found


def read_pipes(pipes):
    """Reads what is in the pipes now, and keeps the end of it."""
    for pipe in select.select(list(pipes), [], [], 0.02)[0]:
        piece = os.read(pipe, 64 << 10)
        if piece:
            pipes[pipe] = (pipes[pipe] + piece)[-MOST_KEPT:]
        else:
            # Everyone has closed it: it would be ready all the time.
            time.sleep(0.01)


def in_own_process(index, target):
    (result, its_result), (log, its_log) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(its_log, 1)
        os.dup2(its_log, 2)
        found = load(index, target)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass
        send(its_result, found)
        # Threads that the app has started don't keep this process.
        os._exit(0)
    os.close(its_result)
    os.close(its_log)
    deadline = time.monotonic() + target["limit"]
    pipes = {result: b"", log: b""}
    ended, status = 0, 0
    while ended == 0 and time.monotonic() < deadline:
        read_pipes(pipes)
        ended, status = os.waitpid(child, os.WNOHANG)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    if ended == 0:
        os.waitpid(child, 0)
    read_pipes(pipes)
    os.close(result)
    os.close(log)
    said = [line for line in pipes[log].decode("utf-8", "replace").splitlines() if line.strip()][-12:]
    if ended == 0:
        answer(target=index, stage="app", kind="too-long", text="")
        return
    try:
        found = json.loads(pipes[result].decode("utf-8").split(MARK, 1)[1])
    except (IndexError, ValueError):
        how = "signal %d" % (status & 127) if status & 127 else "exit code %d" % (status >> 8)
        found = {"target": index, "stage": "app", "kind": "ended", "text": how}
    if found["kind"] in ("ended", "SystemExit"):
        # The reason was written on the way.
        found["text"] = "\n".join([found["text"]] + said).replace(HOME + os.sep, "")
    answer(**found)


answer(stage="begin", text="%d.%d" % sys.version_info[:2])
warnings.simplefilter("ignore")
for path in REQUEST["files"]:
    try:
        compile_file(path)
    except OSError:
        pass
for number, wanted in enumerate(REQUEST["targets"]):
    in_own_process(number, wanted)
answer(stage="end")
