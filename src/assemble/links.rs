//! Says which symbolic links of the source lead out of it.

use super::BuildError;
use super::inputs::Inputs;
use crate::monitor::Monitor;

/// How many links a notice names.
const SHOWN: usize = 10;

/// Links are archived as committed; one that leads out of the tree is worth a word, and one that
/// would carry other files with it is refused.
pub(super) fn report_links(inputs: &Inputs, monitor: &dyn Monitor) -> Result<(), BuildError> {
    let submodules = inputs.submodules.iter();
    let submodules = submodules.map(|one| (one.path.as_str(), &one.mirror, one.commit.id.as_str()));
    let own = ("", inputs.source(), inputs.tag.commit.as_str());
    for (above, mirror, commit) in std::iter::once(own).chain(submodules) {
        let leaving = mirror.leaving_links(commit, above)?;
        if leaving.total == 0 {
            continue;
        }
        let shown = leaving.paths.iter().take(SHOWN);
        let mut names: Vec<String> = shown
            .map(|path| match above {
                "" => path.clone(),
                above => format!("{above}/{path}"),
            })
            .collect();
        if leaving.total > names.len() {
            names.push(format!("and {} more", leaving.total - names.len()));
        }
        monitor.notice(&format!(
            "symbolic links that lead out of the source tree, or may, archived as committed: {}",
            names.join(", ")
        ));
    }
    Ok(())
}
