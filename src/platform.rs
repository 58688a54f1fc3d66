//! What differs between operating systems: the one place with `cfg(unix)` and `cfg(windows)`.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Where the Docker Engine usually listens.
#[cfg(not(windows))]
pub const DOCKER_ENGINE: &str = "unix:///var/run/docker.sock";

/// Where the Docker Engine usually listens.
#[cfg(windows)]
pub const DOCKER_ENGINE: &str = "npipe:////./pipe/docker_engine";

/// What the address of an engine on this machine begins with.
#[cfg(unix)]
pub const LOCAL_ENGINE: &str = "unix://";

/// What the address of an engine on this machine begins with.
#[cfg(windows)]
pub const LOCAL_ENGINE: &str = "npipe://";

/// Connects to the engine that listens on the socket at `path`.
#[cfg(unix)]
pub async fn connect_engine(path: &str) -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(path).await
}

/// Connects to the engine that listens on the named pipe at `path`.
#[cfg(windows)]
pub async fn connect_engine(
    path: &str,
) -> io::Result<tokio::net::windows::named_pipe::NamedPipeClient> {
    use tokio::net::windows::named_pipe::ClientOptions;
    /// `ERROR_PIPE_BUSY`: all instances of the pipe serve somebody at the moment.
    const BUSY: i32 = 231;
    loop {
        match ClientOptions::new().open(path.replace('/', "\\")) {
            Err(error) if error.raw_os_error() == Some(BUSY) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            client => return client,
        }
    }
}
/// Where Docker looks for the certificates of registries.
#[cfg(not(windows))]
pub const DOCKER_CERTIFICATES: &str = "/etc/docker/certs.d";

/// Where Docker looks for the certificates of registries.
#[cfg(windows)]
pub const DOCKER_CERTIFICATES: &str = "C:\\ProgramData\\docker\\certs.d";

/// Opens the file at `path`, itself no link, for reading.
#[cfg(unix)]
pub fn open_no_follow(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    // A pipe would block for ever; as a regular file is wanted, that flag changes nothing else.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Opens the file at `path`, itself no link, for reading.
#[cfg(not(unix))]
pub fn open_no_follow(path: &Path) -> io::Result<File> {
    refuse_link(path)?;
    File::open(path)
}

/// Opens the regular file at `relative` (components between `/`) below `root` for reading;
/// neither it nor a folder between may be a link, even one put there this moment.
#[cfg(unix)]
pub fn open_below(root: &Path, relative: &str) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open, openat};
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = open(root, folder, Mode::empty())?;
    let mut rest = relative;
    while let Some((name, below)) = rest.split_once('/') {
        refuse_special(name)?;
        at = openat(&at, name, folder | OFlags::NOFOLLOW, Mode::empty())?;
        rest = below;
    }
    refuse_special(rest)?;
    let file = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    regular(openat(&at, rest, file, Mode::empty())?.into())
}

/// Opens the regular file at `relative` (components between `/`) below `root` for reading;
/// neither it nor a folder between may be a link.
#[cfg(not(unix))]
pub fn open_below(root: &Path, relative: &str) -> io::Result<File> {
    let mut path = root.to_path_buf();
    for name in relative.split('/') {
        refuse_special(name)?;
        path.push(name);
        refuse_link(&path)?;
    }
    regular(File::open(path)?)
}

fn refuse_special(name: &str) -> io::Result<()> {
    if matches!(name, "" | "." | "..") {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_link(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    Ok(())
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

/// Reads from `offset`, whatever the file's position; several threads may do so at once.
#[cfg(unix)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads from `offset`, whatever the file's position; several threads may do so at once.
#[cfg(windows)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Gives files that `builder` makes these permissions; the umask may take some away. On Windows
/// a file has those of its folder.
#[cfg(unix)]
pub fn set_mode_of_new(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
}

/// Does nothing: here a file has the permissions of its folder.
#[cfg(not(unix))]
pub fn set_mode_of_new(_: &mut tempfile::Builder<'_, '_>, _: u32) {}

/// Gives a new file mode 0644 and a new folder 0755, whatever the umask.
#[cfg(unix)]
pub fn set_plain_mode(path: &Path, is_folder: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if is_folder { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Modes carry no meaning here.
#[cfg(not(unix))]
pub fn set_plain_mode(_: &Path, _: bool) -> io::Result<()> {
    Ok(())
}

/// Sets the modification time of a file or folder.
pub fn set_modified(path: &Path, time: std::time::SystemTime) -> io::Result<()> {
    open_for_times(path)?.set_times(fs::FileTimes::new().set_modified(time).set_accessed(time))
}

#[cfg(unix)]
fn open_for_times(path: &Path) -> io::Result<File> {
    open_no_follow(path)
}

#[cfg(windows)]
fn open_for_times(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_WRITE_ATTRIBUTES: u32 = 0x0100;
    /// Without it, Windows opens no folder.
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    fs::OpenOptions::new()
        .access_mode(FILE_WRITE_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
}

/// Makes the names in a folder durable. Windows does so by itself.
#[cfg(unix)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names in a folder durable. Windows does so by itself.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes the whole file system of `folder` durable in one call, and says true; or false
/// where the system offers no such call, and each file has to be synced.
#[cfg(target_os = "linux")]
pub fn sync_file_system(folder: &Path) -> io::Result<bool> {
    rustix::fs::syncfs(File::open(folder)?)?;
    Ok(true)
}

/// Makes the whole file system of `folder` durable in one call, and says true; or false
/// where the system offers no such call, and each file has to be synced.
#[cfg(not(target_os = "linux"))]
pub fn sync_file_system(_: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Asks the system to forget what it cached of a synced file, so that reading it back
/// reaches the disk or the server. A hint: it never fails.
#[cfg(target_os = "linux")]
pub fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Asks the system to forget what it cached of a synced file; a hint, unknown here.
#[cfg(not(target_os = "linux"))]
pub fn forget_cached(_: &File) {}

/// Makes writing to `file` go past the page cache, or not any more. Not every file system can, and
/// some say so only when it is written to.
#[cfg(target_os = "linux")]
pub fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    Ok(fcntl_setfl(file, flags)?)
}

/// Makes writing to `file` go past the page cache, where the system has a way.
#[cfg(not(target_os = "linux"))]
pub fn set_direct(_: &File, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lets programs that this one starts hold `file` open too, and with it a lock on it, for as long
/// as they run.
#[cfg(unix)]
pub fn share_with_children(file: &File) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?)
}

/// Lets programs that this one starts hold `file` open too, where the system has a way.
#[cfg(not(unix))]
pub fn share_with_children(_: &File) -> io::Result<()> {
    Ok(())
}

/// Renames a file or folder, and fails with `AlreadyExists` rather than replace anything.
///
/// Where the file system offers no such rename (some network shares), a file is hard-linked
/// into place. A folder, or a file where links are unknown too, is renamed after a look: then
/// something that appears between the look and the rename is lost if it is a file, or an
/// empty folder.
pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    match rename_exclusive(from, to) {
        Err(error) if is_unsupported(&error) => rename_after_look(from, to),
        done => done,
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_exclusive(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Unknown call (`ENOSYS`), unknown flag (`EINVAL`), or not on this file system (`ENOTSUP`).
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput
    )
}

fn rename_after_look(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_file() {
        match fs::hard_link(from, to) {
            Ok(()) => return fs::remove_file(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rename = fn(&Path, &Path) -> io::Result<()>;

    #[test]
    fn both_ways_to_rename_replace_neither_a_file_nor_a_folder() {
        for rename in [rename_no_replace as Rename, rename_after_look] {
            let temporary = tempfile::tempdir().unwrap();
            let at = |name: &str| temporary.path().join(name);
            fs::write(at("new"), "new").unwrap();
            fs::write(at("old"), "old").unwrap();
            fs::create_dir(at("folder")).unwrap();
            for taken in ["old", "folder"] {
                let error = rename(&at("new"), &at(taken)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            }
            rename(&at("new"), &at("free")).unwrap();
            assert_eq!(fs::read(at("free")).unwrap(), b"new");
            assert!(!at("new").exists());
            rename(&at("folder"), &at("other")).unwrap();
            assert!(at("other").is_dir());
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed_below_the_root() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        std::os::unix::fs::symlink("real/file", root.join("file")).unwrap();
        assert!(open_below(root, "real/file").is_ok());
        for path in [
            "link/file",
            "file",
            "real",
            "real/../real/file",
            "/etc/passwd",
            "",
        ] {
            assert!(open_below(root, path).is_err(), "{path:?} was opened");
        }
    }
}
