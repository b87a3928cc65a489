//! Places for the nodes of a small graph: callers above what they call.
//!
//! Sugiyama, Tagawa and Toda, *Methods for Visual Understanding of Hierarchical System Structures* (IEEE
//! SMC 11, 1981): cycles opened, layers, order within layers by barycentres.

/// Nodes of one layer, at most.
pub(super) const WIDTH: usize = 6;
/// Passes over the layers that order them, there and back.
const PASSES: usize = 12;

/// A layered picture. Points are nodes, and places where a long edge crosses a layer.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    /// Points of each layer from left to right; the first points are the nodes.
    pub(super) layers: Vec<Vec<usize>>,
    /// The points of each edge, in the order of the edges given, from caller to callee.
    pub(super) ways: Vec<Vec<usize>>,
}

/// Lays out `count` nodes; edges are `(caller, callee)`, without self calls. Depends on the order of the
/// nodes only.
pub(super) fn layout(count: usize, edges: &[(usize, usize)]) -> Layout {
    let down: Vec<(usize, usize)> = open_cycles(count, edges);
    let layer_of = layers(count, &down);
    let height = layer_of.iter().max().map_or(0, |last| last + 1);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); height];
    for (node, layer) in layer_of.iter().enumerate() {
        layers[*layer].push(node);
    }
    let mut points = count;
    let mut ways = Vec::new();
    for (edge, (from, to)) in edges.iter().zip(&down) {
        let mut way = vec![*from];
        for layer in &mut layers[layer_of[*from] + 1..layer_of[*to]] {
            layer.push(points);
            way.push(points);
            points += 1;
        }
        way.push(*to);
        if edge.0 != *from {
            way.reverse();
        }
        ways.push(way);
    }
    order(&mut layers, &ways, points);
    Layout { layers, ways }
}

/// The edges with those turned round that close a cycle, as seen from the first node on.
fn open_cycles(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut callees = vec![Vec::new(); count];
    let mut called = vec![false; count];
    for (from, to) in edges {
        callees[*from].push(*to);
        called[*to] = true;
    }
    // What nothing calls comes first, so that cycles are entered from above.
    let (mut roots, rest): (Vec<usize>, Vec<usize>) = (0..count).partition(|node| !called[*node]);
    roots.extend(rest);
    let (mut finished, mut place) = (0, vec![usize::MAX; count]);
    let mut seen = vec![false; count];
    for root in roots {
        let mut open = vec![(root, 0)];
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        while let Some((node, next)) = open.last_mut() {
            if let Some(&callee) = callees[*node].get(*next) {
                *next += 1;
                if !std::mem::replace(&mut seen[callee], true) {
                    open.push((callee, 0));
                }
            } else {
                place[*node] = finished;
                finished += 1;
                open.pop();
            }
        }
    }
    // Along the calls, a search finishes later ones first; what does not is a way back.
    let turned = |(from, to): &(usize, usize)| {
        if place[*from] > place[*to] {
            (*from, *to)
        } else {
            (*to, *from)
        }
    };
    edges.iter().map(turned).collect()
}

/// The layer of each node: below all its callers, where there is room.
fn layers(count: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let mut callees = vec![Vec::new(); count];
    let mut waiting = vec![0_usize; count];
    for (from, to) in down {
        callees[*from].push(*to);
        waiting[*to] += 1;
    }
    let (mut layer, mut filled) = (vec![0; count], Vec::<usize>::new());
    let mut open: Vec<usize> = (0..count).filter(|node| waiting[*node] == 0).collect();
    while !open.is_empty() {
        open.sort_by_key(|node| (layer[*node], *node));
        let node = open.remove(0);
        while filled.get(layer[node]).is_some_and(|nodes| *nodes >= WIDTH) {
            layer[node] += 1;
        }
        let at = layer[node];
        if filled.len() <= at {
            filled.resize(at + 1, 0);
        }
        filled[at] += 1;
        for callee in &callees[node] {
            layer[*callee] = layer[*callee].max(at + 1);
            waiting[*callee] -= 1;
            if waiting[*callee] == 0 {
                open.push(*callee);
            }
        }
    }
    layer
}

/// Orders each layer by the mean place of the neighbours in the one before, downwards and upwards; keeps
/// the order with the fewest crossings.
fn order(layers: &mut [Vec<usize>], ways: &[Vec<usize>], points: usize) {
    let mut layer_of = vec![0; points];
    for (index, layer) in layers.iter().enumerate() {
        for point in layer {
            layer_of[*point] = index;
        }
    }
    let mut neighbours = [vec![Vec::new(); points], vec![Vec::new(); points]];
    for pair in ways.iter().flat_map(|way| way.windows(2)) {
        let (a, b) = (pair[0], pair[1]);
        let (upper, lower) = if layer_of[a] < layer_of[b] {
            (a, b)
        } else {
            (b, a)
        };
        neighbours[0][lower].push(upper);
        neighbours[1][upper].push(lower);
    }
    let mut place = vec![0.0; points];
    let settle = |layer: &[usize], place: &mut [f64]| {
        for (index, point) in layer.iter().enumerate() {
            place[*point] = index as f64 - (layer.len() - 1) as f64 / 2.0;
        }
    };
    for layer in layers.iter() {
        settle(layer, &mut place);
    }
    let mut best: Option<(usize, Vec<Vec<usize>>)> = None;
    for pass in 0..=PASSES {
        let crossed: usize = layers
            .iter()
            .map(|layer| crossings(layer, &neighbours[0], &place))
            .sum();
        if best.as_ref().is_none_or(|(known, _)| crossed < *known) {
            best = Some((crossed, layers.to_vec()));
        }
        let side = &neighbours[pass % 2];
        let mut turn: Vec<usize> = (0..layers.len()).collect();
        if pass % 2 == 1 {
            turn.reverse();
        }
        for index in turn {
            let mean = |point: &usize| match &side[*point][..] {
                [] => place[*point],
                near => near.iter().map(|at| place[*at]).sum::<f64>() / near.len() as f64,
            };
            let mut keyed: Vec<(f64, usize)> =
                layers[index].iter().map(|p| (mean(p), *p)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0)); // stable
            layers[index] = keyed.into_iter().map(|(_, point)| point).collect();
            settle(&layers[index], &mut place);
        }
    }
    if let Some((_, kept)) = best {
        layers.clone_from_slice(&kept);
    }
}

/// Pairs of edges into a layer that cross each other.
fn crossings(layer: &[usize], above: &[Vec<usize>], place: &[f64]) -> usize {
    let ends: Vec<f64> = layer
        .iter()
        .flat_map(|point| {
            let mut ends: Vec<f64> = above[*point].iter().map(|from| place[*from]).collect();
            ends.sort_by(f64::total_cmp);
            ends
        })
        .collect();
    let crossed = |index: usize| {
        let later = &ends[index + 1..];
        later.iter().filter(|end| **end < ends[index]).count()
    };
    (0..ends.len()).map(crossed).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(layout: &Layout, point: usize) -> (usize, usize) {
        for (index, layer) in layout.layers.iter().enumerate() {
            if let Some(at) = layer.iter().position(|known| *known == point) {
                return (index, at);
            }
        }
        panic!("point {point} is in no layer of {layout:?}");
    }

    #[test]
    fn callers_lie_above_what_they_call() {
        let edges = [(0, 1), (1, 2), (0, 2), (3, 2)];
        let layout = layout(4, &edges);
        assert_eq!(
            [0, 1, 2, 3].map(|node| place(&layout, node).0),
            [0, 1, 2, 0]
        );
        // The edges past the middle layer have a place of their own there.
        assert_eq!(layout.ways[0], [0, 1]);
        assert_eq!((layout.ways[2].len(), layout.ways[3].len()), (3, 3));
        assert_eq!(layout.layers[1].len(), 3);
    }

    #[test]
    fn cycles_are_opened_where_they_close() {
        let layout = layout(4, &[(3, 0), (0, 1), (1, 2), (2, 0)]);
        assert_eq!(
            [3, 0, 1, 2].map(|node| place(&layout, node).0),
            [0, 1, 2, 3]
        );
        // The way back still begins at its caller.
        let back = &layout.ways[3];
        assert_eq!((back[0], back[back.len() - 1]), (2, 0));
        let pair = super::layout(2, &[(0, 1), (1, 0)]);
        assert_eq!(pair.ways, [vec![0, 1], vec![1, 0]]);
    }

    #[test]
    fn crossings_are_undone() {
        // 0 -> 3, 1 -> 2: drawn by number, they cross.
        let layout = layout(4, &[(0, 3), (1, 2)]);
        let (upper, lower) = (&layout.layers[0], &layout.layers[1]);
        assert_eq!(upper[0] == 0, lower[0] == 3, "{layout:?}");
    }

    #[test]
    fn wide_layers_are_broken() {
        let edges: Vec<(usize, usize)> = (1..40).map(|node| (0, node)).collect();
        let layout = layout(40, &edges);
        let nodes = |layer: &Vec<usize>| layer.iter().filter(|point| **point < 40).count();
        assert!(layout.layers.iter().all(|layer| nodes(layer) <= WIDTH));
        assert_eq!(layout.layers.iter().map(nodes).sum::<usize>(), 40);
        assert_eq!(super::layout(0, &[]).layers.len(), 0);
    }
}
