//! `index.html`: a page that opens offline, whatever the product and its files are called.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::release::{NAME, Product, released, told};

/// Prints every link, and fails if an element is not closed where it should be.
const READ: &str = r#"
import html.parser, sys
class Page(html.parser.HTMLParser):
    open = []
    def handle_starttag(self, tag, attributes):
        if tag in ("script", "img", "link", "iframe", "object", "base"):
            sys.exit("the page has a " + tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attributes:
            if name in ("href", "src"):
                print(value)
            elif name.startswith("on"):
                sys.exit("the page has a handler " + name)
            elif name == "id":
                print("id " + value)
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            sys.exit("unexpected end of " + tag)
page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
page.close()
if page.open:
    sys.exit("not closed: " + " ".join(page.open))
"#;

/// Checks the page of an archive; returns the files that it links to.
fn check(archive: &Path) -> BTreeSet<String> {
    let read = Command::new("python3")
        .args(["-c", READ])
        .arg(archive.join("index.html"))
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", told(&read));
    let text = String::from_utf8(read.stdout).unwrap();
    let (ids, links): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("id "));
    let mut files = BTreeSet::new();
    for link in links {
        if let Some(anchor) = link.strip_prefix('#') {
            assert!(ids.contains(&&*format!("id {anchor}")), "{link}");
            continue;
        }
        assert!(!link.contains(':') && !link.starts_with('/'), "{link}");
        let path = percent_encoding::percent_decode_str(link)
            .decode_utf8()
            .unwrap()
            .into_owned();
        assert!(archive.join(&path).is_file(), "{link} leads nowhere");
        files.insert(path);
    }
    files
}

#[test]
fn the_page_links_to_every_file_and_to_nothing_outside() {
    let archive = &released().archive;
    let linked = check(archive);
    let sums = fs::read_to_string(archive.join("Manifest/SHA256SUMS")).unwrap();
    for path in sums.lines().map(|line| &line[66..]) {
        let own = ["index.html", "Manifest/manifest.json"].contains(&path);
        assert!(own || linked.contains(path), "{path} is not linked");
    }
    let page = fs::read_to_string(archive.join("index.html")).unwrap();
    assert!(!page.contains("://") && !page.contains("url(") && !page.contains("@import"));
}

#[test]
fn names_that_look_like_markup_stay_text() {
    let product = Product::new();
    let place = TempDir::new().unwrap();
    let name = "a & b's 100% #1 {name} &lt;i&gt;.md";
    let folder = place.path().join("ci");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(name), "x").unwrap();
    let text = fs::read_to_string(product.repository().join("dhfpack.toml")).unwrap();
    let hostile = "Monitor <script>alert('1')</script> & \\\"Co\\\" {{files}}";
    let config = text
        .replace("\"Infusion Monitor\"", &format!("\"{hostile}\""))
        .replace("installation-*.md\"", "installation-*.md\", \"ci:*.md\"");
    let config = format!("{config}\n[[folder]]\nname = \"ci\"\npath = \"ci\"\n");
    let file = place.path().join("own.toml");
    fs::write(&file, config).unwrap();
    let mut command = product.build(&place.path().join("out"));
    command.arg("--config").arg(&file);
    command
        .arg("--folder")
        .arg(format!("ci={}", folder.display()));
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let archive = place.path().join("out").join(NAME);
    let linked = check(&archive);
    assert!(linked.iter().any(|path| path.ends_with(name)), "{linked:?}");
    let page = fs::read_to_string(archive.join("index.html")).unwrap();
    assert!(page.contains("&lt;script&gt;alert('1')&lt;/script&gt; &amp; &quot;Co&quot;"));
}
