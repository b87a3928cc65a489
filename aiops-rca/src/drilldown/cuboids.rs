//! Combinations of attributes, and the leaves under their elements.

use super::table::LeafTable;

/// All combinations of at most `most` of `count` attributes, those of fewer attributes first.
pub(super) fn cuboids(count: usize, most: usize) -> Vec<Vec<usize>> {
    let mut cuboids: Vec<Vec<usize>> = (1_u32..1 << count)
        .filter(|set| set.count_ones() as usize <= most)
        .map(|set| {
            (0..count)
                .filter(|attribute| set >> attribute & 1 == 1)
                .collect()
        })
        .collect();
    cuboids.sort_by_key(Vec::len);
    cuboids
}

/// For each of `examples` the rows among `live` with the same values of a cuboid. The examples differ
/// from each other.
pub(super) fn members(
    table: &LeafTable,
    live: &[u32],
    cuboid: &[usize],
    examples: &[u32],
) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); examples.len()];
    let Some(&widest) = cuboid.iter().max_by_key(|at| table.values[**at].len()) else {
        return members;
    };
    // The examples of each value of the widest attribute, as chains.
    let mut first = vec![usize::MAX; table.values[widest].len()];
    let mut next = vec![usize::MAX; examples.len()];
    for (index, row) in examples.iter().enumerate() {
        let head = &mut first[table.code(*row as usize, widest) as usize];
        next[index] = std::mem::replace(head, index);
    }
    for row in live {
        let code = |at: &usize| table.code(*row as usize, *at);
        let mut index = first[code(&widest) as usize];
        while index != usize::MAX {
            let example = examples[index] as usize;
            if cuboid.iter().all(|at| table.code(example, *at) == code(at)) {
                members[index].push(*row);
                break;
            }
            index = next[index];
        }
    }
    members
}

/// The leaves of one combination of attributes, by element.
#[derive(Debug)]
pub(super) struct Groups {
    /// Rows, those of one element next to each other.
    rows: Vec<u32>,
    starts: Vec<usize>,
}

impl Groups {
    pub(super) fn new(table: &LeafTable, live: &[u32], cuboid: &[usize]) -> Self {
        let size = |attribute: &usize| table.values[*attribute].len() as u64;
        let key = |row: u32| {
            cuboid.iter().fold(0_u64, |key, attribute| {
                key.wrapping_mul(size(attribute))
                    .wrapping_add(u64::from(table.code(row as usize, *attribute)))
            })
        };
        let space = cuboid
            .iter()
            .try_fold(1_u64, |space, at| space.checked_mul(size(at)));
        let few = space.filter(|space| *space <= 4 * live.len() as u64 + 1024);
        let mut groups = Self {
            rows: live.to_vec(),
            starts: Vec::new(),
        };
        if let Some(space) = few {
            let mut ends = vec![0_usize; space as usize + 1];
            for row in live {
                ends[key(*row) as usize + 1] += 1;
            }
            (0..space as usize).for_each(|at| ends[at + 1] += ends[at]);
            let mut next = ends.clone();
            for row in live {
                let place = &mut next[key(*row) as usize];
                groups.rows[*place] = *row;
                *place += 1;
            }
            ends.dedup();
            groups.starts = ends;
        } else {
            // Where the product overflows, the codes themselves are compared.
            let codes = |row: u32| cuboid.iter().map(move |at| table.code(row as usize, *at));
            groups
                .rows
                .sort_unstable_by(|a, b| codes(*a).cmp(codes(*b)).then(a.cmp(b)));
            groups.starts.push(0);
            for at in 1..groups.rows.len() {
                if codes(groups.rows[at - 1]).ne(codes(groups.rows[at])) {
                    groups.starts.push(at);
                }
            }
            groups.starts.push(groups.rows.len());
        }
        groups
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts
            .windows(2)
            .map(|pair| &self.rows[pair[0]..pair[1]])
    }
}
