//! Which URLs git may fetch from.

const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

/// Whether git fetches from `url` without starting a program that the URL names: a URL with one of
/// git's own transports, or ssh's short form, `host:path`.
pub(crate) fn is_remote_url(url: &str) -> bool {
    if url.chars().any(char::is_control) {
        return false;
    }
    if let Some((scheme, rest)) = url.split_once("://") {
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        // ssh would take a host that begins with a hyphen for an option.
        let is_plain = !authority.starts_with('-') && !host.starts_with('-');
        return SCHEMES.contains(&scheme) && is_plain && !rest.is_empty();
    }
    let Some((host, path)) = url.split_once(':') else {
        return false;
    };
    let name = host.rsplit('@').next().unwrap_or(host);
    let is_host = !host.starts_with('-') && !name.starts_with('-') && !name.is_empty();
    // `ext::command` and its like start helper programs; a colon after a slash is part of a path.
    is_host && !host.contains('/') && !path.is_empty() && !path.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_start_no_program_are_fetched_from() {
        for url in [
            "https://git.example.org/a.git",
            "ssh://git@host:22/a",
            "git@host:a.git",
            "host:a",
            "file:///srv/a.git",
        ] {
            assert!(is_remote_url(url), "{url}");
        }
        for url in [
            "",
            "../a",
            "/srv/a",
            "a",
            "ext::sh -c x",
            "fd::17",
            "ext://x",
            "-oProxyCommand=x:y",
            "--upload-pack=x:y",
            "ssh://-oProxyCommand=x/y",
            "ssh://a@-oProxyCommand=x/y",
            "a@-oX:y",
            "https://a\nb",
            "transport::https://x",
            "dir/a:b",
        ] {
            assert!(!is_remote_url(url), "{url}");
        }
    }
}
