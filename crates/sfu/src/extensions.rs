//! Negotiated header extensions, as the control plane names them.

use wire::extension::{Extension, ExtensionMap};

use crate::message::{CommandError, ErrorCode, ExtensionIds};

/// Read negotiated extension ids; unknown URIs are ignored.
///
/// # Errors
/// Where an id is out of range or stands for two extensions.
pub fn extension_map(ids: &ExtensionIds) -> Result<ExtensionMap, CommandError> {
    let mut map = ExtensionMap::new();
    add_extensions(&mut map, ids)?;
    Ok(map)
}

/// Add the ids of another m-line of the same transport: under BUNDLE they share one space
/// (RFC 9143 9.2), though not every m-line negotiates all of them.
///
/// # Errors
/// Where an id is out of range or stands for two extensions.
pub fn add_extensions(map: &mut ExtensionMap, ids: &ExtensionIds) -> Result<(), CommandError> {
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
