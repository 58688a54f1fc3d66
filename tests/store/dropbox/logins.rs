//! Logins: tokens that end, tokens that are none, and that none is ever shown.

use std::thread;

use dhfpack::monitor::Silent;
use dhfpack::store::{self, Access, Address, DropboxLogin};
use serde_json::json;

use super::{create, created, told};
use crate::support::dropbox::{
    APP_KEY, APP_SECRET, Dropbox, REFRESH_TOKEN, SECRETS, TOKEN, fault, refreshing,
};

const GRANT: &str = "/oauth2/token";

fn hides_secrets(text: &str) -> bool {
    SECRETS.iter().all(|secret| !text.contains(secret))
}

#[test]
fn an_access_token_that_ends_is_exchanged_once_for_all_who_use_it() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open_as(refreshing(), "Releases", &Silent).unwrap();
    created(&*store, "first", b"x");
    assert_eq!(dropbox.count(GRANT), 1);
    dropbox.fail(&fault("files/upload", "expire"));
    thread::scope(|scope| {
        for number in 0..4 {
            let store = &store;
            scope.spawn(move || created(&**store, &format!("pump/{number}"), b"x"));
        }
    });
    assert_eq!(dropbox.count(GRANT), 2);
    assert_eq!(store.list("pump").unwrap().len(), 4);
}

#[test]
fn an_access_token_that_ends_alone_is_explained() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    dropbox.fail(&fault("files/upload", "expire"));
    let told = told(&create(&*store, "a", b"x").unwrap_err());
    for part in ["expired_access_token", "DHFPACK_DROPBOX_REFRESH_TOKEN"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(hides_secrets(&told), "{told}");
}

#[test]
fn a_token_that_is_asked_for_survives_what_passes() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    dropbox.fail(&json!([
        {"route": GRANT, "kind": "status", "status": 503},
        {"route": GRANT, "kind": "cut-before"},
        {"route": GRANT, "kind": "status", "status": 429, "after": 1},
    ]));
    let store = dropbox.open_as(refreshing(), "Releases", &Silent).unwrap();
    created(&*store, "a", b"x");
    assert_eq!(dropbox.count(GRANT), 4);
}

#[test]
fn a_login_that_is_refused_is_not_shown() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let refresh = |token: &str, secret: Option<&str>| {
        let secret = secret.map(str::to_owned);
        DropboxLogin::with_refresh_token(token.to_owned(), APP_KEY.to_owned(), secret)
    };
    for (login, secret) in [
        (
            DropboxLogin::with_access_token("sl.wrong".to_owned()),
            "sl.wrong",
        ),
        (
            DropboxLogin::with_access_token("sl.\nwrong".to_owned()),
            "sl.",
        ),
        (DropboxLogin::with_access_token(String::new()), "sl."),
        (refresh("wrong-refresh", Some(APP_SECRET)), "wrong-refresh"),
        (refresh(REFRESH_TOKEN, None), REFRESH_TOKEN),
        (refresh(REFRESH_TOKEN, Some("wrong-secret")), "wrong-secret"),
    ] {
        let store = dropbox.open_as(login, "Releases", &Silent).unwrap();
        let error = create(&*store, "a", b"x").unwrap_err();
        let text = format!("{} {error:?}", told(&error));
        assert!(!text.contains(secret) && hides_secrets(&text), "{text}");
        assert!(text.contains("DHFPACK_DROPBOX"), "{text}");
    }
}

#[test]
fn no_login_at_all_says_which_variables_give_one() {
    let address: Address = "dropbox://Releases".parse().unwrap();
    let error = store::open(&address, &Access::default(), &Silent);
    let told = told(&error.map(|_| ()).unwrap_err());
    for part in ["dropbox://Releases", "no login", "DHFPACK_DROPBOX_TOKEN"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_teams_folder_is_reached_through_its_namespace() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let login = DropboxLogin::with_access_token(TOKEN.to_owned())
        .in_namespace(Some("1234".to_owned()))
        .as_member(Some("dbmid:AAA".to_owned()));
    let store = dropbox.open_as(login, "Releases", &Silent).unwrap();
    created(&*store, "a", b"x");
    let seen = dropbox.seen().remove(0);
    let root = seen["root"].as_str().unwrap();
    let root: serde_json::Value = serde_json::from_str(root).unwrap();
    assert_eq!(
        root,
        json!({".tag": "namespace_id", "namespace_id": "1234"})
    );
    assert_eq!(seen["user"], "dbmid:AAA");

    let login = DropboxLogin::with_access_token(TOKEN.to_owned());
    let login = login.as_member(Some("a\nb".to_owned()));
    let error = dropbox.open_as(login, "Releases", &Silent);
    let told = told(&error.map(|_| ()).unwrap_err());
    assert!(told.contains("DHFPACK_DROPBOX_SELECT_USER"), "{told}");
}
