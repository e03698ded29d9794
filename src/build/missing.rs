//! What a package's build says when something is missing, and what that is called where one can get it.

/// A sign in the words of a build, and the cause that it has.
struct Sign {
    /// In lower case.
    words: &'static [&'static str],
    cause: Cause,
}

enum Cause {
    /// Debian's packages.
    Debian(&'static str),
    /// Debian's packages, or a package of Python's that brings what is missing.
    DebianOr(&'static str, &'static str),
    /// The package is older than the setuptools that builds it.
    OldSetuptools,
    /// The package uses a module that this Python has no longer.
    OldPython,
    /// The version comes from a repository that isn't there.
    NoVersion,
}

const fn debian(words: &'static [&'static str], packages: &'static str) -> Sign {
    Sign { words, cause: Cause::Debian(packages) }
}

const SIGNS: &[Sign] = &[
    Sign {
        words: &[
            "use_2to3 is invalid",
            "cannot import name 'feature' from 'setuptools'",
            "no attribute 'feature'",
            "no module named 'pkg_resources'",
            "cannot import name 'packagefinder'",
            "invalid command 'bdist_wheel'",
            "setuptools.command.test",
        ],
        cause: Cause::OldSetuptools,
    },
    Sign {
        words: &[
            "no module named 'distutils",
            "no module named 'imp'",
            "has no attribute 'impimporter'",
            "module 'configparser' has no attribute 'safeconfigparser'",
            "module 'inspect' has no attribute 'getargspec'",
            "cannot import name 'mapping' from 'collections'",
            "longintrepr.h",
            "no member named 'tp_print'",
            "has no member named 'ob_digit'",
            "_pylong_format",
            "too few arguments to function '_pylong",
        ],
        cause: Cause::OldPython,
    },
    Sign {
        words: &["setuptools-scm was unable to detect version", "unable to detect version for"],
        cause: Cause::NoVersion,
    },
    Sign {
        words: &[
            "pg_config executable not found",
            "pg_config is required",
            "libpq-fe.h",
            "pg_config: not found",
        ],
        cause: Cause::DebianOr("libpq-dev", "psycopg2-binary, or psycopg[binary]"),
    },
    debian(
        &[
            "mysql_config not found",
            "mysql_config: not found",
            "mysql.h: no such file",
            "name for mysqlclient",
            "exists mysqlclient",
        ],
        "default-libmysqlclient-dev and pkg-config",
    ),
    debian(
        &["can't find rust compiler", "cargo, the rust package manager", "rustc: not found"],
        "rustc and cargo",
    ),
    debian(
        &[
            "unknown compiler",
            "fortran compiler",
            "gfortran: not found",
            "no such file or directory: 'gfortran'",
        ],
        "gfortran",
    ),
    debian(
        &[
            "command 'gcc' failed: no such file",
            "command 'cc' failed: no such file",
            "unable to execute 'gcc'",
            "unable to execute 'cc'",
            "gcc: command not found",
            "gcc: not found",
            "'gcc' not found",
            "no acceptable c compiler",
            "no c compiler",
            "cmake_c_compiler not set",
            "command 'x86_64-linux-gnu-gcc' failed: no such file",
            "command 'g++' failed: no such file",
            "command 'c++' failed: no such file",
            "unable to execute 'g++'",
            "cmake_cxx_compiler not set",
            "make: not found",
        ],
        "build-essential",
    ),
    debian(
        &[
            "cmake: not found",
            "cmake must be installed",
            "could not find cmake",
            "no such file or directory: 'cmake'",
        ],
        "cmake",
    ),
    debian(&["swig: not found", "command 'swig' failed", "unable to execute 'swig'"], "swig"),
    debian(&["no such file or directory: 'git'", "git: not found", "cannot find command 'git'"], "git"),
    debian(&["ffi.h"], "libffi-dev"),
    debian(&["libxml/", "xmlversion.h", "xslt-config", "libxslt"], "libxml2-dev and libxslt1-dev"),
    debian(&["jpeglib.h", "could not be found for jpeg"], "libjpeg-dev and zlib1g-dev"),
    debian(&["zlib.h", "could not be found for zlib"], "zlib1g-dev"),
    debian(&["openssl/"], "libssl-dev"),
    debian(&["sqlext.h", "sql.h: no such file"], "unixodbc-dev"),
    debian(&["lber.h", "ldap.h"], "libldap2-dev and libsasl2-dev"),
    debian(&["sasl/sasl.h"], "libsasl2-dev"),
    debian(&["curl/curl.h", "curl-config"], "libcurl4-openssl-dev and libssl-dev"),
    debian(&["gmp.h"], "libgmp-dev"),
    debian(&["mpfr.h"], "libmpfr-dev"),
    debian(&["hdf5.h"], "libhdf5-dev"),
    debian(&["libmemcached/"], "libmemcached-dev"),
    debian(&["cairo.h", "dependency \"cairo\"", "dependency cairo"], "libcairo2-dev and pkg-config"),
    debian(&["portaudio.h"], "portaudio19-dev"),
    debian(&["snappy-c.h", "snappy.h"], "libsnappy-dev"),
    debian(&["gdal-config", "gdal.h"], "libgdal-dev"),
    debian(&["geos_c.h", "geos-config"], "libgeos-dev"),
    debian(&["proj.h", "proj_api.h"], "libproj-dev"),
    debian(&["lzma.h"], "liblzma-dev"),
    debian(&["bzlib.h"], "libbz2-dev"),
    debian(&["magic.h"], "libmagic-dev"),
    debian(&["krb5-config", "gssapi/", "krb5.h"], "libkrb5-dev"),
    debian(&["xmlsec1"], "libxmlsec1-dev and pkg-config"),
    debian(&["systemd/sd-"], "libsystemd-dev"),
    debian(&["cups/"], "libcups2-dev"),
    debian(&["dbus/dbus.h", "dbus-1"], "libdbus-1-dev"),
    debian(&["girepository"], "libgirepository1.0-dev"),
    debian(&["sqlite3.h"], "libsqlite3-dev"),
    debian(&["leveldb/"], "libleveldb-dev"),
    debian(&["re2/re2.h"], "libre2-dev"),
    debian(&["yaml.h"], "libyaml-dev"),
    debian(&["pcap.h"], "libpcap-dev"),
    debian(&["uuid/uuid.h"], "uuid-dev"),
    debian(&["fftw3.h"], "libfftw3-dev"),
    debian(&["sndfile.h"], "libsndfile1-dev"),
    debian(&["tiffio.h"], "libtiff-dev"),
    debian(&["png.h"], "libpng-dev"),
    debian(&["ft2build.h"], "libfreetype-dev"),
    debian(&["librdkafka/"], "librdkafka-dev"),
    debian(&["sodium.h"], "libsodium-dev"),
    debian(&["zmq.h"], "libzmq3-dev"),
    debian(&["augeas.h", "augeas"], "libaugeas-dev"),
    debian(
        &["pkg-config: not found", "no such file or directory: 'pkg-config'", "did not find pkg-config"],
        "pkg-config",
    ),
];

/// Returns what a build's words mean, in a sentence or two.
pub(super) fn known_cause(words: &str) -> Option<String> {
    let words = words.to_lowercase();
    let sign = SIGNS.iter().find(|sign| sign.words.iter().any(|sign| words.contains(sign)))?;
    Some(match sign.cause {
        Cause::Debian(packages) => {
            format!("A program or library is missing that it is built with. Debian and Ubuntu have it in {packages}.")
        }
        Cause::DebianOr(packages, instead) => format!(
            "A program or library is missing that it is built with. Debian and Ubuntu have it in {packages}. Or take {instead}, \
             which has it inside."
        ),
        Cause::OldSetuptools => {
            "It was made for a setuptools of years ago, so nothing is missing here: take a newer version of it.".to_owned()
        }
        Cause::OldPython => {
            "It was made for an older Python, so nothing is missing here: take a newer version of it.".to_owned()
        }
        Cause::NoVersion => "It takes its version from git, and there is no repository here. \
             SETUPTOOLS_SCM_PRETEND_VERSION in the environment of the build names one."
            .to_owned(),
    })
}

/// Returns the first line of a build's own words that says what is wrong: neither the installer's nor a tail of it.
pub(super) fn first_error_line(text: &str) -> Option<&str> {
    let mut own: Vec<&str> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        let bare = line.trim_start_matches([' ', '│', '|']).trim_end();
        match bare {
            "[stderr]" | "[stdout]" => is_inside = true,
            _ if bare.starts_with("╰─>") && bare.ends_with("lines of output]") => is_inside = true,
            "[end of output]" => is_inside = false,
            _ if bare.starts_with("hint:") || bare.starts_with("note: This error originates") => {
                is_inside = false;
            }
            _ if is_inside && !bare.is_empty() => own.push(bare),
            _ => {}
        }
    }
    let says_error = |line: &&&str| {
        let lower = line.to_lowercase();
        let word = lower.split([' ', ':']).next().unwrap_or_default();
        word.ends_with("error")
            || word.ends_with("exception")
            || ["error: ", "error in ", "fatal: ", "not found"].iter().any(|sign| lower.contains(sign))
    };
    // A sentence that Python's traceback ends with, rather than a warning before.
    own.iter().find(says_error).or(own.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    // D13, D21
    #[test]
    fn what_is_missing_is_told_by_the_name_of_its_package() {
        for (words, expected) in [
            ("error in tto-lib setup command: use_2to3 is invalid.", "setuptools of years ago"),
            ("ImportError: cannot import name 'Feature' from 'setuptools' (/x)", "setuptools of years ago"),
            ("ModuleNotFoundError: No module named 'pkg_resources'", "setuptools of years ago"),
            ("ModuleNotFoundError: No module named 'distutils.core'", "older Python"),
            ("src/x.c:3:10: fatal error: longintrepr.h: No such file or directory", "older Python"),
            ("Error: pg_config executable not found.", "in libpq-dev. Or take psycopg2-binary"),
            ("/bin/sh: 1: mysql_config: not found", "in default-libmysqlclient-dev"),
            (
                "Exception: Can not find valid pkg-config name for mysqlclient.",
                "in default-libmysqlclient-dev",
            ),
            ("error: command 'gcc' failed: No such file or directory", "in build-essential"),
            ("  error: can't find Rust compiler", "in rustc and cargo"),
            ("x.c:15:10: fatal error: ffi.h: No such file or directory", "in libffi-dev"),
            ("fatal error: openssl/opensslv.h: No such file or directory", "in libssl-dev"),
            ("Error: Please make sure the libxml2 and libxslt development packages", "in libxml2-dev"),
            (
                "RequiredDependencyException: The headers or library files could not be found for jpeg",
                "libjpeg-dev",
            ),
            (
                "LookupError: setuptools-scm was unable to detect version for /x.",
                "SETUPTOOLS_SCM_PRETEND_VERSION",
            ),
        ] {
            let cause = known_cause(words).unwrap_or_default();
            assert!(cause.contains(expected), "{words}: {cause}");
        }
        assert_eq!(known_cause("SyntaxError: invalid syntax"), None);
    }

    // D13
    #[test]
    fn the_builds_own_first_error_comes_before_the_installers_words() {
        let by_uv = "  × Failed to build `tto-lib==1.0`\n  ├─▶ The build backend returned an error\n  \
                     ╰─▶ Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)\n\n      \
                     [stderr]\n      WARNING: old\n      error in tto-lib setup command: use_2to3 is invalid.\n\n      \
                     hint: This usually indicates a problem with the package or the build environment.\n";
        let by_pip = "  error: subprocess-exited-with-error\n  \n  × Getting requirements to build wheel did not run.\n  \
                      │ exit code: 1\n  ╰─> [3 lines of output]\n      Traceback (most recent call last):\n        \
                      File \"x\", line 1\n      ModuleNotFoundError: No module named 'imp'\n      [end of output]\n  \n  \
                      note: This error originates from a subprocess, and is likely not a problem with pip.\n";
        let compiler = "      [stdout]\n      running build_ext\n      gcc -c x.c\n\n      [stderr]\n      x.c: In function 'f':\n      \
                        x.c:1:10: fatal error: ffi.h: No such file or directory\n      compilation terminated.\n      \
                        error: command '/usr/bin/gcc' failed with exit code 1\n";
        for (text, expected) in [
            (by_uv, Some("error in tto-lib setup command: use_2to3 is invalid.")),
            (by_pip, Some("ModuleNotFoundError: No module named 'imp'")),
            (compiler, Some("x.c:1:10: fatal error: ffi.h: No such file or directory")),
            ("      [stderr]\n      it is no use\n", Some("it is no use")),
            ("error: no such package\n", None),
        ] {
            assert_eq!(first_error_line(text), expected, "{text}");
        }
    }
}
