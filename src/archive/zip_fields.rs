//! The records of a zip, by PKWARE's APPNOTE.TXT 6.3: fields in little-endian order.

/// Signature of a local file header (APPNOTE 4.3.7).
pub(super) const LOCAL: u32 = 0x0403_4b50;
/// Signature of a data descriptor (4.3.9), which may be left out.
pub(super) const DESCRIPTOR: u32 = 0x0807_4b50;
/// Signature of a central directory header (4.3.12).
pub(super) const CENTRAL: u32 = 0x0201_4b50;
/// Signature of the zip64 end of central directory record (4.3.14).
pub(super) const END64: u32 = 0x0606_4b50;
/// Signature of the zip64 end of central directory locator (4.3.15).
pub(super) const LOCATOR64: u32 = 0x0706_4b50;
/// Signature of the end of central directory record (4.3.16).
pub(super) const END: u32 = 0x0605_4b50;

/// Reads fields one after the other; none at the end of the bytes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// What the local and the central header both say of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
}

impl Common {
    /// General purpose bit 0.
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Bit 3: digest and sizes follow the data, and the local header may have zeros.
    pub(super) fn has_descriptor(&self) -> bool {
        self.flags & 1 << 3 != 0
    }

    /// Bit 11: the name is UTF-8.
    pub(super) fn is_utf8(&self) -> bool {
        self.flags & 1 << 11 != 0
    }

    fn read(fields: &mut Fields) -> Option<Self> {
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.u32()?; // time and date
        Some(Self {
            flags,
            method,
            crc: fields.u32()?,
            compressed: fields.u32()?.into(),
            size: fields.u32()?.into(),
        })
    }
}

/// A local file header: what it says, and the lengths of name and extra field after it.
pub(super) struct Local {
    pub(super) common: Common,
    pub(super) name: u16,
    pub(super) extra: u16,
}

impl Local {
    pub(super) const SIZE: usize = 30;

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.u32()? != LOCAL {
            return None;
        }
        fields.u16()?; // version needed
        Some(Self {
            common: Common::read(&mut fields)?,
            name: fields.u16()?,
            extra: fields.u16()?,
        })
    }
}

/// A central directory header, and the lengths of what comes after it.
pub(super) struct Central {
    pub(super) common: Common,
    pub(super) name: u16,
    pub(super) extra: u16,
    pub(super) comment: u16,
    /// The type bits of the Unix mode; 0 where the entry was made elsewhere.
    pub(super) unix_type: u32,
    /// Where the local header is.
    pub(super) offset: u64,
}

impl Central {
    pub(super) const SIZE: usize = 46;

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.u32()? != CENTRAL {
            return None;
        }
        let made_by = fields.u16()?;
        fields.u16()?; // version needed
        let common = Common::read(&mut fields)?;
        let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let disk = fields.u16()?;
        fields.u16()?; // internal attributes
        let attributes = fields.u32()?;
        // 3 is Unix, 19 is macOS (APPNOTE 4.4.2.2).
        let is_unix = matches!(made_by >> 8, 3 | 19);
        (disk == 0).then_some(Self {
            common,
            name,
            extra,
            comment,
            unix_type: if is_unix {
                attributes >> 16 & 0o170_000
            } else {
                0
            },
            offset: fields.u32()?.into(),
        })
    }
}

/// Replaces the fields that are all ones by those of the zip64 extra field (APPNOTE 4.5.3).
/// None if the extra field is malformed, or gives the entry a second name (4.6.9).
pub(super) fn widen(common: &mut Common, offset: Option<&mut u64>, extra: &[u8]) -> Option<()> {
    let mut wide = None;
    let mut fields = Fields(extra);
    while !fields.0.is_empty() {
        let (id, length) = (fields.u16()?, fields.u16()?);
        let data = fields.bytes(length.into())?;
        match id {
            0x0001 if wide.replace(data).is_some() => return None,
            0x7075 => return None,
            _ => {}
        }
    }
    let mut wide = Fields(wide.unwrap_or_default());
    let values = [Some(&mut common.size), Some(&mut common.compressed), offset];
    for value in values.into_iter().flatten() {
        if *value == u64::from(u32::MAX) {
            *value = wide.u64()?;
        }
    }
    Some(())
}

/// The end of central directory record, widened by its zip64 companion where there is one.
pub(super) struct End {
    pub(super) entries: u64,
    /// Length of the central directory.
    pub(super) size: u64,
    /// Where it begins.
    pub(super) start: u64,
}

impl End {
    pub(super) const SIZE: usize = 22;
    pub(super) const SIZE64: usize = 56;
    pub(super) const LOCATOR: usize = 20;

    /// The record and the length of the comment after it.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, u16)> {
        let mut fields = Fields(bytes);
        let is_end = fields.u32()? == END && fields.u32()? == 0; // signature, disk numbers
        let (here, all) = (fields.u16()?, fields.u16()?);
        let end = Self {
            entries: all.into(),
            size: fields.u32()?.into(),
            start: fields.u32()?.into(),
        };
        let comment = fields.u16()?;
        (is_end && here == all).then_some((end, comment))
    }

    /// The place of the zip64 record that the locator names, if these bytes are a locator.
    pub(super) fn read_locator(bytes: &[u8]) -> Option<u64> {
        let mut fields = Fields(bytes);
        let is_locator = fields.u32()? == LOCATOR64 && fields.u32()? == 0;
        let place = fields.u64()?;
        is_locator.then_some(place)
    }

    /// The zip64 record; its values must be those of `narrow` wherever that is not all ones.
    pub(super) fn read64(bytes: &[u8], narrow: &Self) -> Option<Self> {
        let mut fields = Fields(bytes);
        let rest = (Self::SIZE64 - 12) as u64;
        let is_end = fields.u32()? == END64 && fields.u64()? == rest;
        fields.u32()?; // versions
        let disks = fields.u64()?;
        let (here, all) = (fields.u64()?, fields.u64()?);
        let end = Self {
            entries: all,
            size: fields.u64()?,
            start: fields.u64()?,
        };
        let agrees = |narrow: u64, ones: u64, wide: u64| narrow == ones || narrow == wide;
        let ones = u64::from(u32::MAX);
        let is_consistent = agrees(narrow.entries, u16::MAX.into(), end.entries)
            && agrees(narrow.size, ones, end.size)
            && agrees(narrow.start, ones, end.start);
        (is_end && disks == 0 && here == all && is_consistent).then_some(end)
    }
}
