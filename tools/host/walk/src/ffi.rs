// SPDX-License-Identifier: GPL-2.0

//! What `folio.rs` takes from the module's own boundary to C.

pub(crate) use kernel::bindings::{folio, page};
