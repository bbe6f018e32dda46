//! The checksum database's formats and the client's side of its protocol, without any I/O.
//!
//! A checksum database is a transparency log: a growing list of records whose hashes form a
//! binary tree, and a signed [note] that states the size and root of that tree. A client
//! reads [records](record) and [tiles](tile), and [`verify`] proves from the tiles that a record
//! stands in the signed tree and that one signed tree is a prefix of another.
//!
//! Everything here takes bytes and gives verdicts. Which tiles are wanted is planned first, the
//! caller brings them from wherever it likes, and no hash can be read before every one of them
//! has been authenticated up to the signed root.

mod lenient;
pub mod log;
pub mod note;
pub mod proof;
pub mod record;
pub mod tile;
pub mod tree;
pub mod verify;

pub use self::note::{Note, NoteError, Signer, Verifier, VerifierError};
pub use self::record::{Lookup, Record, RecordError};
pub use self::tile::{Tile, TileError};
pub use self::tree::{Hash, SignedHead, TreeHead};
pub use self::verify::{AuthenticRecord, AuthenticTiles, TilePlan, VerifyError};
