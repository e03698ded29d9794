//! The fixtures with steps of their own: Django's static files, hooks.

use std::process::{Command, Stdio};

use crate::flask::{free_port, get, stop, wait_for_page};
use crate::support::{TestApp, copy_tree, run};

#[test]
#[ignore = "needs PyPI"]
fn a_django_app_has_its_static_files_in_the_slug() {
    let app = TestApp::online("django-getting-started");
    let build = app.build(&[]).success();
    assert!(build.stderr.contains("-----> $ python manage.py collectstatic --noinput\n"), "{}", build.stderr);
    assert!(!app.dir.join("staticfiles").exists());
    let (port, slug) = (free_port(), app.slug());
    let arguments = ["run", slug.to_str().unwrap(), "web", "--port", &port.to_string()];
    let mut child = app.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let page = wait_for_page(port, &mut child);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<h1>Hello from Django in a slug</h1>"), "{page}");
    let style = page.split('"').find(|part| part.ends_with(".css")).unwrap();
    assert!(style.starts_with("/static/hello/style.") && style != "/static/hello/style.css", "{style}");
    let style = get(port, style).unwrap();
    assert!(style.starts_with("HTTP/1.1 200 OK\r\n") && style.contains("url(\"dot."), "{style}");
    assert_eq!(stop(child), Some(0));
}

#[test]
#[ignore = "needs PyPI"]
fn a_django_app_gives_the_same_bytes_twice() {
    let shas = ["1", "3"].map(|threads| {
        let app = TestApp::online("django-getting-started");
        let first = app.build(&["--format", "json", "-j", threads]).success().event("finished");
        let again = app.build(&["--format", "json"]).success().event("finished");
        assert_eq!(again["sha256"], first["sha256"]);
        for counter in ["processes", "downloads", "segments_compressed", "layers_built"] {
            assert_eq!(again["counters"][counter], 0, "{counter}: {again}");
        }
        first["sha256"].as_str().unwrap().to_owned()
    });
    assert_eq!(shas[0], shas[1]);
}

#[test]
fn the_fixture_with_hooks_runs() {
    let app = TestApp::new(&[]);
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hooks");
    copy_tree(&fixture, &app.dir);
    app.build(&[]).success();
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "job"]).success();
    assert!(ran.stdout.contains("made by the hook"), "{}", ran.stdout);
    let list = run(Command::new("tar").arg("tzf").arg(app.slug())).success().stdout;
    assert!(list.contains("./app/made_early.txt\n") && list.contains("./app/made_late.txt\n"), "{list}");
}
