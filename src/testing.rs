//! What tests, benchmarks and fuzz targets use of the rooms. Nothing else is reachable from outside.

#![expect(missing_docs, reason = "each item is documented where it is defined")]

pub use crate::entrypoint::answer_panics;

pub mod app {
    pub mod env_file {
        pub use crate::app::env_file::parse_env_file;
    }
    pub mod procfile {
        pub use crate::app::procfile::Procfile;
    }
    pub mod slugignore {
        pub use crate::app::slugignore::Slugignore;
    }
}
pub mod build {
    pub mod bytecode {
        pub use crate::build::bytecode::{Ahead, Kept, compile_bytecode, forget_other_bytecode};
    }
    pub mod python {
        pub use crate::build::python::Python;
    }
    pub mod runtime {
        pub mod build_vars {
            pub use crate::build::runtime::build_vars::BuildVars;
        }
    }
}
pub mod check {
    pub use crate::check::{check, report};
    pub mod facts {
        pub use crate::check::facts::{Facts, FileFacts, Installed};
    }
    pub mod gather {
        pub use crate::check::gather::read_slug;
    }
}
pub mod cli {
    pub use crate::cli::command_line;
}
pub mod env {
    pub use crate::env::Env;
}
pub mod error {
    pub use crate::error::{
        ErrorCode, FindingCode, HEROKU_CODES, NoticeCode, UserError, render_catalogue_markdown,
        render_findings_markdown, render_heroku_codes_markdown, render_warnings_markdown,
    };
}
pub mod host {
    pub use crate::host::{elf, url};
    pub mod archive {
        pub use crate::host::archive::{UnpackOptions, unpack_reader};
    }
}
pub mod inspect {
    pub use crate::inspect::{find_installed, inspect_slug, render_report, report};
}
pub mod output {
    pub use crate::output::{Counters, Output};
}
pub mod plan {
    pub use crate::plan::LayerId;
    pub use crate::plan::PackageManager;
    pub mod environment {
        pub use crate::plan::environment::runtime_environment;
    }
}
pub mod python {
    pub mod distribution {
        pub use crate::python::distribution::{
            InfoDir, MarkerValues, installed_path, needs, parse_direct_url, parse_metadata, parse_record,
            parse_wheel, split_site_packages,
        };
    }
    pub mod locked {
        pub use crate::python::locked::{Groups, LockedSet};
    }
    pub mod pdm {
        pub use crate::python::pdm::read_pdm_lock;
    }
    pub mod pip_config {
        pub use crate::python::pip_config::PipConfig;
    }
    pub mod pipfile {
        pub use crate::python::pipfile::{read_pipfile, read_pipfile_lock};
    }
    pub mod poetry {
        pub use crate::python::poetry::read_poetry_lock;
    }
    pub mod pyproject {
        pub use crate::python::pyproject::parse_pyproject;
    }
    pub mod requirements {
        pub use crate::python::requirements::{RequirementKind, read_requirements};
    }
    pub mod requires_python {
        pub use crate::python::requires_python::SupportedPythons;
    }
    pub mod version_file {
        pub use crate::python::version_file::{parse_runtime_txt, parse_version_file};
    }
}
pub mod router {
    pub use crate::router::{Backend, Backends, Router, RouterLimits, State};
}
pub mod slug {
    pub use crate::slug::{Entry, Layout, Manifest, Slug, SlugSpec, Times, Tree, TreeOrigin, assemble, tree};
    pub mod index_file {
        pub use crate::slug::index_file::{decode, encode};
    }
    pub mod unpack {
        pub use crate::slug::unpack::unpack_slug;
    }
}
pub mod store {
    pub use crate::store::Store;
}
