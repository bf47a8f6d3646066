//! RTP header extensions of commands.

use crate::message::{CommandError, ErrorCode, ExtensionIds};
use wire::extension::{Extension, ExtensionMap};

/// Map negotiated extension ids; unknown extensions are ignored.
pub(crate) fn extension_map(ids: &ExtensionIds) -> Result<ExtensionMap, CommandError> {
    let mut map = ExtensionMap::new();
    add_extensions(&mut map, ids)?;
    Ok(map)
}

/// Add the extension ids of another m-line; within a BUNDLE group an id maps to one extension
/// (RFC 9143 section 9.2).
pub(crate) fn add_extensions(
    map: &mut ExtensionMap,
    ids: &ExtensionIds,
) -> Result<(), CommandError> {
    for (uri, id) in ids {
        if let Some(extension) = Extension::from_uri(uri) {
            let inserted = map.insert(*id, extension);
            inserted.map_err(|error| {
                CommandError::new(ErrorCode::Invalid, format!("extension id {id}: {error}"))
            })?;
        }
    }
    Ok(())
}
