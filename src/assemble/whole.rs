//! Mirrors of repositories of which the clone at hand may lack a part.

use std::path::Path;

use super::configuration;
use super::{BuildError, Request};
use crate::monitor::Monitor;
use crate::source::git::{self, GitError, Mirror, RemoteAccess, Repository};

/// The mirror of the product's repository. Where the clone lacks history or files, it is one of
/// `source.remote`, as the configuration at hand names it: that of the release cannot be read yet,
/// and what is built is checked against it all the same.
pub(super) fn product(
    request: &Request,
    repository: &Repository,
    work: &Path,
    monitor: &dyn Monitor,
) -> Result<Mirror, BuildError> {
    let into = work.join("product");
    let access = &request.locations.remotes;
    let lack = match Mirror::clone_with(&repository.root.to_string_lossy(), access, &into, monitor)
    {
        Err(lack) if is_lack(&lack) => lack,
        mirrored => return Ok(mirrored?),
    };
    let source = configuration::at_hand(request, repository)?.map(|config| config.source);
    match source.and_then(|source| source.remote.filter(|_| source.repository.is_none())) {
        Some(remote) => Ok(instead(
            &remote,
            repository.clone(),
            access,
            &lack,
            &into,
            monitor,
        )?),
        None => Err(lack.or_remote().into()),
    }
}

/// The mirror of a repository at `location`, or where that lacks history or files, of `remote`.
pub(super) fn other(
    location: &str,
    remote: Option<&str>,
    access: &RemoteAccess,
    into: &Path,
    monitor: &dyn Monitor,
) -> Result<Mirror, GitError> {
    let mirrored = Mirror::clone_with(location, access, into, monitor);
    match (mirrored, remote) {
        (Err(lack), Some(remote)) if is_lack(&lack) && Path::new(location).is_dir() => {
            let repository = git::find_repository(Path::new(location))?;
            instead(remote, repository, access, &lack, into, monitor)
        }
        (mirrored, _) => mirrored.map_err(GitError::or_remote),
    }
}

fn is_lack(error: &GitError) -> bool {
    matches!(error, GitError::Shallow { .. } | GitError::Partial { .. })
}

fn instead(
    remote: &str,
    repository: Repository,
    access: &RemoteAccess,
    lack: &GitError,
    into: &Path,
    monitor: &dyn Monitor,
) -> Result<Mirror, GitError> {
    monitor.notice(&format!("{lack}; it is read from source.remote instead"));
    Mirror::of_remote(remote, repository, access, into, monitor)
}
