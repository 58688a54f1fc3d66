//! The URL of a submodule, resolved as `git submodule` does.

/// The URL to fetch from: one that begins with `./` or `../` counts from that of the repository
/// that has the submodule. None where it would leave that one's host.
pub(super) fn resolve(parent: &str, url: &str) -> Option<String> {
    let mut rest = url;
    let mut base = parent.strip_suffix('/').unwrap_or(parent);
    if !rest.starts_with("./") && !rest.starts_with("../") {
        return Some(url.to_owned());
    }
    let mut separator = '/';
    loop {
        if let Some(below) = rest.strip_prefix("../") {
            (base, separator) = without_last(base)?;
            rest = below;
        } else if let Some(below) = rest.strip_prefix("./") {
            rest = below;
        } else {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            return Some(format!("{base}{separator}{rest}"));
        }
    }
}

/// The URL without its last component, and what stood before that: in ssh's short form,
/// `host:path`, the first one follows a colon. None where nothing but the host is left.
fn without_last(url: &str) -> Option<(&str, char)> {
    let path = match url.split_once("://") {
        Some((scheme, _)) => scheme.len() + 3,
        None => 0,
    };
    let rest = &url[path..];
    if let Some(slash) = rest.rfind('/') {
        return Some((&url[..path + slash], '/'));
    }
    match rest.rfind(':') {
        Some(colon) if path == 0 => Some((&url[..colon], ':')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_url_counts_from_its_parents_repository() {
        for (parent, url, expected) in [
            ("https://h/a/b.git", "../c.git", "https://h/a/c.git"),
            ("https://h/a/b.git/", "../../c/d/", "https://h/c/d"),
            ("https://h/a/b", "./c", "https://h/a/b/c"),
            ("https://h/a/b", "./.././c", "https://h/a/c"),
            ("git@h:a/b.git", "../c.git", "git@h:a/c.git"),
            ("git@h:b.git", "../c.git", "git@h:c.git"),
            ("file:///srv/a", "../c", "file:///srv/c"),
            ("https://h/a", "ssh://x/y", "ssh://x/y"),
            ("https://h/a", "ext::sh -c x", "ext::sh -c x"),
            ("https://h/a", "/srv/c", "/srv/c"),
        ] {
            assert_eq!(resolve(parent, url).unwrap(), expected, "{parent} {url}");
        }
        for (parent, url) in [
            ("https://h/a", "../../../c"),
            ("git@h:a", "../../c"),
            ("https://h", "../c"),
        ] {
            assert!(resolve(parent, url).is_none(), "{parent} {url}");
        }
    }
}
