//! The fields of a row, as queries and COPY have them on the wire.

/// The fields of a tuple: `None` at one that is cut short, `Some(None)` for NULL. Rows of a query and
/// tuples of COPY are alike in that.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Fields<'a> {
    pub(super) fn of(tuple: &'a [u8]) -> Option<Self> {
        let (count, rest) = tuple.split_first_chunk::<2>()?;
        Some(Self { rest, left: u16::from_be_bytes(*count) })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Option<&'a [u8]>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else { return Some(None) };
        self.rest = rest;
        let length = i32::from_be_bytes(*length);
        if length == -1 {
            return Some(Some(None));
        }
        let Ok(length) = usize::try_from(length) else { return Some(None) };
        let Some((field, rest)) = rest.split_at_checked(length) else { return Some(None) };
        self.rest = rest;
        Some(Some(Some(field)))
    }
}
