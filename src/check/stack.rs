//! What is known of the stacks' images: their glibc, and which shared libraries they surely don't have.
//!
//! The list is of what packages are known to stumble over, with the Debian package of each. Of a library that isn't
//! in it nothing is said: an image has hundreds, and a wrong alarm costs more than a missing one.

/// Libraries that no stack has, and the Debian package of each.
const ABSENT: &[(&str, &str)] = &[
    ("libGL.so", "libgl1"),
    ("libEGL.so", "libegl1"),
    ("libGLX.so", "libglx0"),
    ("libOpenGL.so", "libopengl0"),
    ("libGLU.so", "libglu1-mesa"),
    ("libOSMesa.so", "libosmesa6"),
    ("libX11-xcb.so", "libx11-xcb1"),
    ("libXi.so", "libxi6"),
    ("libXtst.so", "libxtst6"),
    ("libXrandr.so", "libxrandr2"),
    ("libXcomposite.so", "libxcomposite1"),
    ("libXcursor.so", "libxcursor1"),
    ("libXdamage.so", "libxdamage1"),
    ("libXfixes.so", "libxfixes3"),
    ("libXinerama.so", "libxinerama1"),
    ("libXft.so", "libxft2"),
    ("libXss.so", "libxss1"),
    ("libxkbcommon.so", "libxkbcommon0"),
    ("libxkbcommon-x11.so", "libxkbcommon-x11-0"),
    ("libxcb-xinerama.so", "libxcb-xinerama0"),
    ("libxcb-cursor.so", "libxcb-cursor0"),
    ("libxcb-icccm.so", "libxcb-icccm4"),
    ("libxcb-image.so", "libxcb-image0"),
    ("libxcb-keysyms.so", "libxcb-keysyms1"),
    ("libxcb-render-util.so", "libxcb-render-util0"),
    ("libxcb-shape.so", "libxcb-shape0"),
    ("libxcb-xkb.so", "libxcb-xkb1"),
    ("libasound.so", "libasound2"),
    ("libpulse.so", "libpulse0"),
    ("libportaudio.so", "libportaudio2"),
    ("libsndfile.so", "libsndfile1"),
    ("libnss3.so", "libnss3"),
    ("libnspr4.so", "libnspr4"),
    ("libatk-1.0.so", "libatk1.0-0"),
    ("libatk-bridge-2.0.so", "libatk-bridge2.0-0"),
    ("libatspi.so", "libatspi2.0-0"),
    ("libgbm.so", "libgbm1"),
    ("libdrm.so", "libdrm2"),
    ("libgtk-3.so", "libgtk-3-0"),
    ("libgdk-3.so", "libgtk-3-0"),
    ("libcups.so", "libcups2"),
    ("libmagic.so", "libmagic1"),
    ("libgdal.so", "libgdal-dev"),
    ("libgeos_c.so", "libgeos-c1v5"),
    ("libproj.so", "libproj-dev"),
    ("libspatialindex_c.so", "libspatialindex-c6"),
    ("libspatialite.so", "libspatialite7"),
    ("libzbar.so", "libzbar0"),
    ("libtesseract.so", "tesseract-ocr"),
    ("libleptonica.so", "liblept5"),
    ("liblept.so", "liblept5"),
    ("libpoppler", "libpoppler-cpp-dev"),
    ("libavcodec.so", "ffmpeg"),
    ("libavformat.so", "ffmpeg"),
    ("libavutil.so", "ffmpeg"),
    ("libswscale.so", "ffmpeg"),
    ("libusb-1.0.so", "libusb-1.0-0"),
    ("libxmlsec1", "libxmlsec1-openssl"),
    ("libodbc.so", "unixodbc"),
    ("libsybdb.so", "freetds-dev"),
    ("libsnappy.so", "libsnappy1v5"),
    ("libhdf5", "libhdf5-dev"),
    ("libnetcdf.so", "libnetcdf-dev"),
    ("libblas.so", "libblas3"),
    ("liblapack.so", "liblapack3"),
    ("libopenblas.so", "libopenblas0"),
    ("libgfortran.so", "libgfortran5"),
    ("libquadmath.so", "libquadmath0"),
    ("libtbb.so", "libtbb12"),
    ("libaio.so", "libaio1"),
    ("librdkafka.so", "librdkafka1"),
    ("libzmq.so", "libzmq5"),
    ("libenchant-2.so", "libenchant-2-2"),
    ("libsecp256k1.so", "libsecp256k1-0"),
    ("libta_lib.so", "(none: build TA-Lib, or use a wheel that has it)"),
    ("libssl.so.1.1", "(none: OpenSSL 1.1 is gone)"),
    ("libcrypto.so.1.1", "(none: OpenSSL 1.1 is gone)"),
];

/// What each stack has of its own: its glibc, and libraries that only it has or lacks.
struct Stack {
    name: &'static str,
    glibc: (u32, u32),
    /// Libraries of the list above that it has.
    present: &'static [&'static str],
    /// Libraries that newer or older stacks have.
    absent: &'static [(&'static str, &'static str)],
}

const OF_NEWER: &str = "(none: a newer stack has it)";
const OF_OLDER: &str = "(none: an older stack had it)";

/// The stacks, from the lists of packages that Heroku publishes.
const STACKS: &[Stack] = &[
    Stack {
        name: "heroku-20",
        glibc: (2, 31),
        present: &["libssl.so.1.1", "libcrypto.so.1.1"],
        absent: &[("libssl.so.3", OF_NEWER), ("libcrypto.so.3", OF_NEWER), ("libffi.so.8", OF_NEWER)],
    },
    Stack { name: "heroku-22", glibc: (2, 35), present: &[], absent: &[("libffi.so.7", OF_OLDER)] },
    Stack { name: "heroku-24", glibc: (2, 39), present: &[], absent: &[("libffi.so.7", OF_OLDER)] },
    Stack { name: "heroku-26", glibc: (2, 43), present: &[], absent: &[("libffi.so.7", OF_OLDER)] },
];

/// The names of the stacks.
pub(crate) fn stack_names() -> impl Iterator<Item = &'static str> {
    STACKS.iter().map(|stack| stack.name)
}

fn stack(name: &str) -> Option<&'static Stack> {
    STACKS.iter().find(|stack| stack.name == name)
}

/// Returns the Debian package of a library that a stack doesn't have.
pub(super) fn debian_package(name: &str, stack_name: &str) -> Option<&'static str> {
    let stack = stack(stack_name);
    if stack.is_some_and(|stack| stack.present.contains(&name)) {
        return None;
    }
    let own = stack.map_or(&[][..], |stack| stack.absent);
    own.iter().chain(ABSENT).find(|(start, _)| is_library(name, start)).map(|(_, package)| *package)
}

fn is_library(name: &str, start: &str) -> bool {
    name.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || !start.contains(".so"))
}

/// Returns the glibc of a stack.
pub(super) fn glibc_of(stack: &str) -> Option<(u32, u32)> {
    self::stack(stack).map(|stack| stack.glibc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_package() {
        for (name, package) in [
            ("libGL.so.1", Some("libgl1")),
            ("libmagic.so.1", Some("libmagic1")),
            ("libX11-xcb.so.1", Some("libx11-xcb1")),
            ("libX11.so.6", None),
            ("libc.so.6", None),
            ("libsomething.so.2", None),
            ("libssl.so.3", None),
            ("libssl.so.1.1", Some("(none: OpenSSL 1.1 is gone)")),
        ] {
            assert_eq!(debian_package(name, "heroku-24"), package, "{name}");
        }
    }

    // C32
    #[test]
    fn each_stack_is_judged_by_its_own_libraries() {
        for (stack, glibc, name, is_absent) in [
            ("heroku-20", Some((2, 31)), "libssl.so.1.1", false),
            ("heroku-20", Some((2, 31)), "libssl.so.3", true),
            ("heroku-22", Some((2, 35)), "libssl.so.3", false),
            ("heroku-22", Some((2, 35)), "libssl.so.1.1", true),
            ("heroku-24", Some((2, 39)), "libGL.so.1", true),
            ("heroku-99", None, "libssl.so.3", false),
        ] {
            assert_eq!(glibc_of(stack), glibc, "{stack}");
            assert_eq!(debian_package(name, stack).is_some(), is_absent, "{stack} {name}");
        }
    }
}
