# Tells how a runtime sees itself, as one line of JSON. Arguments: the modules it has to have.
import importlib
import json
import os
import sys
import sysconfig
import warnings

warnings.simplefilter("ignore")
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = "%s: %s" % (type(error).__name__, error)
with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
    mapped = {line.split(None, 5)[5].rstrip("\n") for line in maps if "/" in line}
facts = {
    "prefix": os.path.realpath(sys.prefix),
    "exec_prefix": os.path.realpath(sys.exec_prefix),
    "packages": os.path.realpath(sysconfig.get_path("purelib")),
    "scripts": os.path.realpath(sysconfig.get_path("scripts")),
    "path": sorted({os.path.realpath(path) for path in sys.path if os.path.exists(path)}),
    "failed": failed,
    "mapped": sorted(mapped),
}
print()
print(json.dumps(facts))
