//! The stored form of a miner.

use serde::{Deserialize, Serialize};

use super::miner::{TemplateMiner, TemplateMinerConfig};
use super::shapes::{Class, Shape};
use super::template::{Place, Template, TemplateId};
use crate::model::stored::{LoadError, Payload, StoredModel};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    config: TemplateMinerConfig,
    /// By index; `None` where one was joined or forgotten.
    templates: Vec<Option<StoredTemplate>>,
    /// Indices to use next, the last first.
    free: Vec<u32>,
    shapes: Vec<StoredShape>,
    hand: usize,
    /// From identity, to identity, in the order of the joins.
    joined: Vec<(TemplateId, TemplateId)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTemplate {
    id: TemplateId,
    count: u64,
    places: Vec<Place>,
    shapes: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredShape {
    words: Vec<(u64, Class)>,
    template: u32,
    filed: u32,
    used: bool,
}

impl StoredModel for TemplateMiner {
    const KIND: &'static str = "core.template-miner";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let templates = self.templates.iter().map(|template| {
            template.as_ref().map(|template| StoredTemplate {
                id: template.id,
                count: template.count,
                places: template.places.clone(),
                shapes: template.shapes.clone(),
            })
        });
        let shapes = self.shapes.list.iter().map(|shape| StoredShape {
            words: shape.words.to_vec(),
            template: shape.template,
            filed: shape.filed,
            used: shape.used,
        });
        let joined = self.joined_order.iter().filter_map(|from| {
            let to = self.joined.get(from)?;
            Some((*from, *to))
        });
        V1 {
            config: self.config,
            templates: templates.collect(),
            free: self.free.clone(),
            shapes: shapes.collect(),
            hand: self.shapes.hand,
            joined: joined.collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        check(&wire).map_err(LoadError::payload)?;
        let mut miner =
            Self::try_from(wire.config).map_err(|e| LoadError::payload(e.to_string()))?;
        for (index, stored) in wire.templates.into_iter().enumerate() {
            let template = stored.map(|stored| {
                let mut template = Template::new(stored.id, stored.places);
                template.count = stored.count;
                template.shapes = stored.shapes;
                template
            });
            if let Some(template) = &template {
                miner.by_id.insert(template.id, index as u32);
            }
            miner.templates.push(template);
        }
        miner.free = wire.free;
        let shapes = wire.shapes.into_iter().map(|stored| Shape {
            words: stored.words.into(),
            template: stored.template,
            filed: stored.filed,
            used: stored.used,
        });
        miner.shapes.list = shapes.collect();
        miner.shapes.hand = wire.hand;
        let rule = miner.rule();
        miner.shapes.restore(rule);
        for (from, to) in wire.joined {
            miner.joined.insert(from, to);
            miner.joined_order.push_back(from);
        }
        if miner
            .joined_order
            .iter()
            .any(|from| !miner.leads_out(*from))
        {
            return Err(LoadError::payload(
                "joined templates lead back to themselves",
            ));
        }
        Ok(miner)
    }
}

/// What the code relies on and only a hand could have changed.
fn check(wire: &V1) -> Result<(), &'static str> {
    let template = |index: u32| wire.templates.get(index as usize).and_then(Option::as_ref);
    for (index, shape) in wire.shapes.iter().enumerate() {
        let known = template(shape.template).is_some_and(|t| t.shapes.contains(&(index as u32)));
        if !known {
            return Err("a shape leads to a template that does not know it");
        }
        if shape.filed as usize > shape.words.len() {
            return Err("a shape has more filed places than places");
        }
    }
    let mut ids = std::collections::HashSet::new();
    let mut shapes = 0;
    for stored in wire.templates.iter().flatten() {
        shapes += stored.shapes.len();
        if !ids.insert(stored.id) {
            return Err("two templates have the same identity");
        }
    }
    let free = |index: &u32| {
        wire.templates
            .get(*index as usize)
            .is_some_and(Option::is_none)
    };
    let vacant = wire
        .templates
        .iter()
        .filter(|template| template.is_none())
        .count();
    let mut unique = wire.free.clone();
    unique.sort_unstable();
    unique.dedup();
    if !wire.free.iter().all(free) || unique.len() != vacant || wire.free.len() != vacant {
        return Err("the free places are not those without a template");
    }
    if shapes != wire.shapes.len() || shapes > wire.config.capacity {
        return Err("the number of shapes is not what it should be");
    }
    if wire.joined.len() > wire.config.capacity
        || wire.joined.iter().any(|(from, _)| ids.contains(from))
    {
        return Err("a joined template is still there");
    }
    Ok(())
}
