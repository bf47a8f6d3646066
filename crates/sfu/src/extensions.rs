//! Negotiated header extensions, as the control plane names them.

use wire::extension::{Extension, ExtensionMap};

use crate::message::{CommandError, ErrorCode, ExtensionIds};

/// Read negotiated extension ids; what is not known here is left alone.
///
/// # Errors
/// Where an id is out of range or stands for two extensions.
pub fn extension_map(ids: &ExtensionIds) -> Result<ExtensionMap, CommandError> {
    let mut map = ExtensionMap::new();
    for (uri, id) in ids {
        if let Some(extension) = Extension::from_uri(uri) {
            let inserted = map.insert(*id, extension);
            inserted.map_err(|error| {
                CommandError::new(ErrorCode::Invalid, format!("extension id {id}: {error}"))
            })?;
        }
    }
    Ok(map)
}
