//! The embedded Postgres against the real programs: these tests start servers, kill the processes
//! that own them, and look at what is left.
//!
//! Run by root they exercise the hand-over to an unprivileged user, and one of them runs the same
//! again as `nobody`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::postgres::{Embedded, Error, Options};

const PATIENCE: Duration = Duration::from_secs(60);

/// Names the data folder to the test that runs as a child process.
const CHILD_DATA: &str = "FREEHOLD_TEST_CHILD_DATA";

fn options(data: &Path) -> Options {
    Options {
        data: data.to_owned(),
        bin: None,
        settings: vec![("fsync".into(), "off".into())],
    }
}

/// Runs one statement as the superuser and returns what psql prints.
fn sql(cluster: &Embedded, statement: &str) -> String {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"])
        .args(["-v", "ON_ERROR_STOP=1", "--command", statement])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PGHOST", cluster.socket_dir())
        .env("PGPORT", cluster.port().to_string())
        .env("PGUSER", cluster.superuser())
        .env("PGDATABASE", cluster.superuser())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statement}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn we_are_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The process number of the server, from the file it keeps while it runs.
fn postmaster(data: &Path) -> String {
    let file = fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
    file.lines().next().unwrap().to_owned()
}

fn is_running(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

/// This test binary, running only the test `name`, which is otherwise ignored.
fn this_binary(binary: &Path, name: &str, data: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(CHILD_DATA, data)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn child_data() -> PathBuf {
    PathBuf::from(std::env::var_os(CHILD_DATA).unwrap())
}

async fn data_outlives_the_server(data: &Path) {
    let cluster = Embedded::start(&options(data)).await.unwrap();
    assert!(cluster.version().major >= 15, "{}", cluster.version());
    assert!(cluster.bin_dir().join("postgres").is_file());
    sql(&cluster, "CREATE TABLE kept AS SELECT 'Grüße' AS word");
    let settings = "SELECT string_agg(current_setting(name), '|' ORDER BY ord) FROM unnest(ARRAY[\
        'listen_addresses', 'server_encoding', 'lc_collate', 'data_checksums', 'fsync', \
        'max_connections', 'shared_buffers', 'unix_socket_permissions']) \
        WITH ORDINALITY AS t(name, ord)";
    assert_eq!(sql(&cluster, settings), "|UTF8|C|on|off|100|128MB|0700");
    assert_eq!(sql(&cluster, "SELECT upper('grüße')"), "GRÜßE");
    let pid = postmaster(data);
    let entrance = fs::metadata(cluster.socket_dir()).unwrap();
    assert_eq!(entrance.mode() & 0o7777, 0o700);
    assert_eq!(
        fs::metadata(Path::new("/proc").join(&pid)).unwrap().uid(),
        entrance.uid()
    );
    assert_ne!(entrance.uid(), 0, "the server must not run as root");

    cluster.stop().await.unwrap();
    assert!(!is_running(&pid));
    let log = fs::read_to_string(data.join("postgres.log")).unwrap();
    assert!(log.contains("received fast shutdown request"), "{log}");

    let cluster = Embedded::start(&options(data)).await.unwrap();
    assert_eq!(sql(&cluster, "SELECT word FROM kept"), "Grüße");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_created_started_stopped_and_keeps_its_data() {
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o711);
    data_outlives_the_server(&root.path().join("new/data")).await;
}

#[tokio::test]
async fn fsync_is_on_unless_told_otherwise() {
    let root = tempfile::tempdir().unwrap();
    let plain = Options {
        settings: Vec::new(),
        ..options(root.path())
    };
    let cluster = Embedded::start(&plain).await.unwrap();
    assert_eq!(sql(&cluster, "SHOW fsync"), "on");
    assert_eq!(sql(&cluster, "SHOW synchronous_commit"), "on");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn dropping_a_cluster_stops_it_and_the_next_start_waits_for_that() {
    let root = tempfile::tempdir().unwrap();
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    let first = postmaster(root.path());
    drop(cluster);
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    assert!(!is_running(&first));
    assert_ne!(postmaster(root.path()), first);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_goes_when_its_parent_is_killed_and_comes_back_with_its_data() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path();
    let this = std::env::current_exe().unwrap();
    let mut child = this_binary(&this, "child_holds_a_cluster", data)
        .spawn()
        .unwrap();
    let ready = data.join("ready");
    eventually("the child has a cluster", || {
        assert_eq!(child.try_wait().unwrap(), None, "the child ended");
        ready.exists()
    });
    let pid = postmaster(data);
    assert!(is_running(&pid));

    let refused = Embedded::start(&options(data)).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("another Freehold process"));
    assert!(
        is_running(&pid),
        "the refused start must not touch the server"
    );

    kill(&mut child);
    // The start itself waits for the abandoned server.
    let cluster = Embedded::start(&options(data)).await.unwrap();
    assert!(!is_running(&pid));
    assert_eq!(sql(&cluster, "SELECT count(*) FROM from_the_child"), "1");
    let log = fs::read_to_string(data.join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "{log}");
    cluster.stop().await.unwrap();

    fs::remove_file(&ready).unwrap();
    let mut child = this_binary(&this, "child_holds_a_cluster", data)
        .spawn()
        .unwrap();
    eventually("the child has the cluster again", || ready.exists());
    let pid = postmaster(data);
    kill(&mut child);
    eventually("the server goes without anybody's asking", || {
        !is_running(&pid)
    });
}

#[tokio::test]
async fn a_server_that_was_killed_itself_recovers() {
    let root = tempfile::tempdir().unwrap();
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    sql(&cluster, "CREATE TABLE survives AS SELECT 7 AS n");
    let pid = postmaster(root.path());
    let process = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    drop(cluster);
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    assert_eq!(sql(&cluster, "SELECT n FROM survives"), "7");
    let log = fs::read_to_string(root.path().join("postgres.log")).unwrap();
    assert!(log.contains("not properly shut down"), "{log}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn an_unfinished_initialisation_is_done_again() {
    let root = tempfile::tempdir().unwrap();
    let staging = root.path().join("postgres.new");
    fs::create_dir_all(staging.join("base")).unwrap();
    fs::write(staging.join("PG_VERSION"), "15\n").unwrap();
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
    assert!(!staging.exists());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_that_fails_shows_the_end_of_the_log() {
    let root = tempfile::tempdir().unwrap();
    let mut broken = options(root.path());
    broken
        .settings
        .push(("max_connections".into(), "many".into()));
    let error = Embedded::start(&broken).await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Exited { .. }), "{message}");
    assert!(message.contains("max_connections"), "{message}");
    assert!(message.contains("postgres.log"), "{message}");
    // What failed is no obstacle to the next start.
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn settings_cannot_open_a_port_and_odd_paths_work() {
    let root = tempfile::tempdir().unwrap();
    let mut wish = options(&root.path().join("a \"b\" 'c'"));
    set_mode(root.path(), 0o711);
    wish.settings.push(("listen_addresses".into(), "*".into()));
    let cluster = Embedded::start(&wish).await.unwrap();
    assert_eq!(sql(&cluster, "SHOW listen_addresses"), "");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_deep_data_folder_has_its_socket_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o711);
    let deep = root.path().join("d".repeat(120));
    let cluster = Embedded::start(&options(&deep)).await.unwrap();
    assert!(!cluster.socket_dir().starts_with(&deep));
    assert_eq!(sql(&cluster, "SELECT 1"), "1");
    let socket_dir = cluster.socket_dir().to_owned();
    cluster.stop().await.unwrap();
    fs::remove_dir(socket_dir).unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_version_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let cluster = root.path().join("postgres");
    fs::create_dir(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "9999\n").unwrap();
    let error = Embedded::start(&options(root.path())).await.unwrap_err();
    assert!(matches!(error, Error::ClusterVersion { .. }), "{error}");
    assert!(error.to_string().contains("PostgreSQL 9999"), "{error}");
}

#[tokio::test]
async fn root_is_told_which_folder_keeps_the_server_out() {
    if !we_are_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let closed = root.path().canonicalize().unwrap();
    set_mode(&closed, 0o700);
    let error = Embedded::start(&options(&closed.join("data"))).await;
    let message = error.unwrap_err().to_string();
    let remedy = format!("chmod o+x {}`", closed.display());
    assert!(message.contains(&remedy), "{message}");

    // The data folder itself is ours to open, by just as much as the server needs.
    let cluster = Embedded::start(&options(&closed)).await.unwrap();
    assert_eq!(fs::metadata(&closed).unwrap().mode() & 0o7777, 0o710);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn root_takes_over_a_cluster_restored_as_root() {
    if !we_are_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    sql(&cluster, "CREATE TABLE restored AS SELECT 1 AS n");
    cluster.stop().await.unwrap();
    let chown = Command::new("chown")
        .args(["-R", "0:0"])
        .arg(root.path())
        .status()
        .unwrap();
    assert!(chown.success());
    let cluster = Embedded::start(&options(root.path())).await.unwrap();
    assert_eq!(sql(&cluster, "SELECT n FROM restored"), "1");
    cluster.stop().await.unwrap();
}

/// The same life as an ordinary user. Without root, every other test here is that already.
#[test]
fn an_ordinary_user_runs_the_server_himself() {
    if !we_are_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o777);
    // The build's own folder may be closed to others.
    let binary = root.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let data = root.path().join("data");
    let output = this_binary(&binary, "child_runs_a_cluster", &data)
        .uid(65534)
        .gid(65534)
        .current_dir("/")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(fs::metadata(data.join("postgres")).unwrap().uid(), 65534);
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
#[ignore = "runs as the child of an_ordinary_user_runs_the_server_himself"]
async fn child_runs_a_cluster() {
    data_outlives_the_server(&child_data()).await;
}

#[tokio::test]
#[ignore = "runs as the child of the_server_goes_when_its_parent_is_killed_…, which kills it"]
async fn child_holds_a_cluster() {
    let data = child_data();
    let cluster = Embedded::start(&options(&data)).await.unwrap();
    sql(
        &cluster,
        "CREATE TABLE IF NOT EXISTS from_the_child AS SELECT 1 AS n",
    );
    fs::write(data.join("ready"), "").unwrap();
    tokio::time::sleep(PATIENCE).await;
    panic!("nobody killed this process");
}
