//! The content chain: what proves that the events of a segment, and of all before it, are the ones
//! that were written, whatever the layout of the bytes.
//!
//! A leaf is the BLAKE3 hash of an event's canonical bytes; the leaves of a segment make a Merkle
//! tree of the shape of RFC 6962; a link hashes the link before and the tree's root.

use annals_types::StoreId;

use crate::format::event::Event;
use crate::loss::Loss;

pub(crate) type Hash = [u8; 32];

// The first byte of what is hashed tells leaf, node and link apart.
const LEAF: &[u8] = &[0];
const NODE: &[u8] = &[1];
const LINK: &[u8] = &[2];
const GENESIS: &[u8] = &[3];
const LOST: &[u8] = &[4];

/// The link before the first segment of a store.
pub(crate) fn genesis(store: StoreId) -> Hash {
    hash(&[GENESIS, &store.0])
}

/// The link of a segment with this root behind a segment with the link `previous`.
pub(crate) fn link(previous: &Hash, root: &Hash) -> Hash {
    hash(&[LINK, previous, root])
}

/// The leaf of an event.
pub(crate) fn leaf(event: &Event) -> Hash {
    let stream = event.stream().as_bytes();
    hash(&[
        LEAF,
        &event.position().get().to_le_bytes(),
        &event.version().get().to_le_bytes(),
        &event.recorded_at().as_micros().to_le_bytes(),
        &event.epoch().to_le_bytes(),
        &(stream.len() as u64).to_le_bytes(),
        stream,
        event.content_bytes(),
    ])
}

/// The leaf that stands for lost events.
pub(crate) fn lost(loss: &Loss) -> Hash {
    hash(&[LOST, &loss.first.get().to_le_bytes(), &loss.last.get().to_le_bytes()])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// A Merkle tree that keeps only its right edge.
#[derive(Debug, Default)]
pub(crate) struct MerkleTree {
    /// Roots of whole subtrees with the number of their leaves, largest first.
    edge: Vec<(u64, Hash)>,
}

impl MerkleTree {
    pub(crate) fn push(&mut self, leaf: Hash) {
        let mut subtree = (1, leaf);
        while let Some(left) = self.edge.pop_if(|left| left.0 == subtree.0) {
            subtree = (left.0 * 2, hash(&[NODE, &left.1, &subtree.1]));
        }
        self.edge.push(subtree);
    }

    pub(crate) fn root(&self) -> Hash {
        let mut edge = self.edge.iter().rev().map(|subtree| subtree.1);
        match edge.next() {
            None => hash(&[]),
            Some(last) => edge.fold(last, |right, left| hash(&[NODE, &left, &right])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, section 2.1, word for word.
    fn tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => hash(&[]),
            [leaf] => *leaf,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(half);
                hash(&[NODE, &tree_hash(left), &tree_hash(right)])
            }
        }
    }

    #[test]
    fn the_edge_gives_the_root_of_the_definition() {
        let leaves: Vec<Hash> = (0..70_u8).map(|n| hash(&[LEAF, &[n]])).collect();
        for count in 0..=leaves.len() {
            let mut tree = MerkleTree::default();
            leaves[..count].iter().for_each(|leaf| tree.push(*leaf));
            assert_eq!(tree.root(), tree_hash(&leaves[..count]), "{count} leaves");
        }
    }
}
