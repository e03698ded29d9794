# Tells what it is run by, as one line of JSON. Arguments: modules to try.
import importlib
import json
import sys
import sysconfig
import warnings

warnings.simplefilter("ignore")


def imports(name):
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True


config = sysconfig.get_config_vars()
facts = {
    "implementation": sys.implementation.name,
    "version": list(sys.version_info[:3]),
    "is_final": sys.version_info.releaselevel == "final",
    "build": sys.version,
    "platform": sysconfig.get_platform(),
    "soabi": config.get("SOABI") or "",
    "abiflags": sys.abiflags,
    "prefix": sys.prefix,
    "base_prefix": sys.base_prefix,
    "base_exec_prefix": sys.base_exec_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
    "schemes": list(sysconfig.get_scheme_names()),
    "library": config.get("INSTSONAME") or "",
    "library_dir": config.get("LIBDIR") or "",
    "pkgconfig_dir": config.get("LIBPC") or "",
    "wheel_dir": config.get("WHEEL_PKG_DIR") or "",
    "multiarch": config.get("MULTIARCH") or "",
    "modules": [name for name in sys.argv[1:] if imports(name)],
}
print()
print(json.dumps(facts))
