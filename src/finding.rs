//! What is wrong with an archive, in stable codes.
//!
//! What *is wrong* is a finding; what *cannot be checked* is an error of the workflow.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// The file concerned, from the archive's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was expected and what was found, for a person.
    pub detail: String,
}

impl Finding {
    /// A finding about the file at `path`.
    pub fn at(code: Code, path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            path: Some(path.into()),
            detail: detail.into(),
        }
    }

    /// A finding about the archive as a whole.
    pub fn whole(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            path: None,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Finding {
    /// One line: control characters in paths are escaped, so that a name cannot fake output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(path) = &self.path {
            write!(f, " {path:?}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// What a finding touches; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The archive is not what was sealed, or a signature over it is false.
    Integrity,
    /// The archive is what was sealed, but who answers for it is not established.
    Trust,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $class:ident;)+) => {
        /// The stable codes of findings. A code is never given another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as printed.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What the code touches.
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// What the code means, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl std::fmt::Display for Code {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// The archive was sealed as a draft, with gaps.
    Draft = "draft", Integrity;
    /// `Manifest/manifest.json` is not there.
    ManifestMissing = "manifest-missing", Integrity;
    /// `Manifest/manifest.json` is not a manifest.
    ManifestUnreadable = "manifest-unreadable", Integrity;
    /// The manifest contradicts itself, or lists what it must not.
    ManifestInconsistent = "manifest-inconsistent", Integrity;
    /// A listed file is not there.
    FileMissing = "file-missing", Integrity;
    /// A listed file has other bytes.
    FileChanged = "file-changed", Integrity;
    /// A listed file is shorter or longer than listed.
    FileSize = "file-size", Integrity;
    /// A listed file lies under another name.
    FileRenamed = "file-renamed", Integrity;
    /// A file that no list names.
    FileUnlisted = "file-unlisted", Integrity;
    /// A folder with no file in it, which no store could carry.
    FolderEmpty = "folder-empty", Integrity;
    /// Two entries have one path, or differ only in case or normalisation.
    PathDuplicate = "path-duplicate", Integrity;
    /// A path leads out of the archive.
    PathEscape = "path-escape", Integrity;
    /// A path that some system refuses or changes.
    PathNotPortable = "path-not-portable", Integrity;
    /// A symbolic link, a hard link, a device, a socket or a pipe.
    NotARegularFile = "not-a-regular-file", Integrity;
    /// The container holds bytes that belong to no entry, or its lists contradict each other.
    ContainerInconsistent = "container-inconsistent", Integrity;
    /// `Manifest/SHA256SUMS` is not there.
    SumsMissing = "sums-missing", Integrity;
    /// `Manifest/SHA256SUMS` is not what the manifest gives.
    SumsChanged = "sums-changed", Integrity;
    /// A file in `Manifest/signatures` that has no place there.
    SignatureStray = "signature-stray", Integrity;
    /// A statement without its signature, or a signature without its statement.
    SignatureIncomplete = "signature-incomplete", Integrity;
    /// A signature that does not verify.
    SignatureInvalid = "signature-invalid", Integrity;
    /// A statement that cannot be understood.
    StatementUnreadable = "statement-unreadable", Integrity;
    /// A statement about another manifest, or about another `SHA256SUMS`.
    StatementForeign = "statement-foreign", Integrity;
    /// A statement that a later one names is not there, or has other bytes.
    StatementRemoved = "statement-removed", Integrity;
    /// The statement's name or time is not that of its signature.
    StatementMismatch = "statement-mismatch", Integrity;
    /// The source code cannot be restored from what the archive holds of it.
    SourceNotRestorable = "source-not-restorable", Integrity;
    /// The source code that was restored is not the one that the manifest records.
    SourceDiffers = "source-differs", Integrity;
    /// A Git LFS object that the source code points to is not there.
    LfsObjectMissing = "lfs-object-missing", Integrity;
    /// An image cannot be put together from the files in its folder.
    ImageNotRestorable = "image-not-restorable", Integrity;
    /// The image that was restored is not the one that the manifest records.
    ImageDiffers = "image-differs", Integrity;
    /// A receipt that cannot be understood.
    ReceiptUnreadable = "receipt-unreadable", Integrity;
    /// An object that is not what the receipt of its publication says.
    ReceiptDiffers = "receipt-differs", Integrity;
    /// A lock that the receipt tells of is gone, shorter or weaker.
    LockWeakened = "lock-weakened", Integrity;
    /// Nobody has signed.
    Unsigned = "unsigned", Trust;
    /// No trusted certificate leads to the signer.
    SignerUnknown = "signer-unknown", Trust;
    /// The signature was made outside its certificate's validity.
    SignerOutsideValidity = "signer-outside-validity", Trust;
    /// The signer's certificate does not allow the role or the use.
    SignerNotEntitled = "signer-not-entitled", Trust;
    /// A required role has not signed with the meaning *release*.
    RoleMissing = "role-missing", Trust;
}
