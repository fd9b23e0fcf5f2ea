//! Finding out what a repair has to do.

use std::sync::Arc;

use annals_types::Place;

use super::salvage::{End, Piece, Salvage, Stretch};
use super::{Epochs, RepairPlan, Step};
use crate::error::{LogError, Result};
use crate::format::POSITION_MAX;
use crate::frames::FrameRecord;
use crate::link::{self, Linked};
use crate::loss::{Loss, LostStream};
use crate::offsets::read_table;
use crate::recovery::{Recovered, rest_end};
use crate::segment::{self, Segment};
use crate::state_page::STATE_FILE;
use crate::walk::CheckedFrame;

/// No loss goes further: the positions behind it must be enough to go on with.
const LOST_POSITION_MAX: u64 = POSITION_MAX / 2;

impl Recovered {
    /// Reads everything and finds out what a repair would do. Changes nothing. `progress` is told the
    /// bytes done and in all.
    ///
    /// # Errors
    /// [`LogError::Damaged`] where not one segment is left of the log, and I/O errors.
    pub fn plan_repair(self, progress: &mut dyn FnMut(u64, u64)) -> Result<RepairPlan> {
        let segments = self.reader.segments();
        if segments.is_empty()
            && let Some(damage) = self.damage().first()
        {
            return Err(LogError::damaged(damage.clone()));
        }
        if self.proof.position.get() > LOST_POSITION_MAX {
            let what = "evidence of a position that no writer comes to: delete the state page";
            return Err(LogError::Unsupported {
                segment: STATE_FILE.to_owned(),
                what: what.to_owned(),
            });
        }
        let (total, ..) = self.reader.size()?;
        let mut strays = self.inventory.strays.clone();
        let taken = |name: &str| segments.iter().any(|segment| segment.name == name);
        let listed = self.inventory.listed.iter().filter(|name| !taken(name));
        strays.extend(listed.cloned());
        let faulty = |segment: &Segment| {
            let mut faults = self.damage().iter().chain(self.notes());
            faults.any(|fault| fault.segment == segment.name && fault.bytes > 0)
                || !segment.has_own_name()
        };
        let state = self.inventory.state.map(|state| state.epoch);
        let unsealed = segment::without_footer(&segments);
        let mut unsealed: Vec<String> = unsealed.map(|segment| segment.name.clone()).collect();
        for segment in segments.iter().filter(|segment| segment.summary.is_some()) {
            if link::read(segment)? == Linked::Damaged {
                unsealed.push(segment.name.clone());
            }
        }
        let mut planner = Planner { steps: Vec::new(), losses: Vec::new(), last: Place::START };
        let mut done = 0;
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1);
            let end = self.end_of(segment, next.map(|next| &**next));
            planner.reach(segment.header.first, segment.header.epoch.number);
            let behind = match next {
                Some(next) => next.header.epoch.number,
                None => state.map_or(0, |epoch| epoch.number),
            };
            let salvage = Salvage::new(Arc::clone(segment), end, behind);
            let sealed = unsealed.contains(&segment.name) || segment.summary.is_some();
            planner.segment(salvage, segment, faulty(segment), sealed, &mut |bytes| {
                progress(done + bytes, total);
            })?;
            done += segment.file_bytes()?;
            progress(done, total);
        }
        planner.reach(self.proof.next(), state.unwrap_or_default().number);
        let known = self.reader.known_epochs().into_iter().chain(state).collect();
        Ok(RepairPlan {
            root: self.inventory.root.clone(),
            strays,
            unsealed,
            superseded: self.inventory.superseded.clone(),
            unfinished: self.inventory.unfinished.clone(),
            steps: planner.steps,
            losses: planner.losses,
            damage: self.damage().iter().chain(self.notes()).cloned().collect(),
            torn: self.torn_tail().cloned(),
            epochs: Epochs { known, newest: state },
            reader: self.reader,
            bytes: total,
        })
    }

    fn end_of(&self, segment: &Segment, next: Option<&Segment>) -> End {
        match (&segment.summary, next) {
            (Some(summary), _) => End::At(summary.last),
            (None, Some(next)) => {
                let first = next.header.first;
                End::At(Place { k: first.k.saturating_sub(1), ..first })
            }
            (None, None) => End::Proven(self.proof),
        }
    }
}

struct Planner {
    steps: Vec<Step>,
    losses: Vec<Loss>,
    /// The place of the last thing so far.
    last: Place,
}

impl Planner {
    /// What lies before `first`, and is in no segment, is lost.
    fn reach(&mut self, first: Place, epoch: u32) {
        let from = self.last.next();
        if from < first {
            let up_to = Place { k: first.k.saturating_sub(1), ..first };
            let stretch = Stretch { offset: 0, bytes: 0, first: from, up_to, epoch };
            self.lose(&stretch);
            self.steps.push(Step::Fill(stretch));
            self.last = up_to;
        }
    }

    fn segment(
        &mut self,
        mut salvage: Salvage,
        segment: &Arc<Segment>,
        faulty: bool,
        sealed: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let end = salvage.end();
        let behind = salvage.epoch_behind();
        let mut whole = !faulty;
        while let Some(piece) = salvage.next()? {
            match piece {
                Piece::Frame(checked) => {
                    whole &= checked.is_whole();
                    self.lose_records(&checked);
                }
                Piece::Lost(stretch) => {
                    whole = false;
                    self.lose(&stretch);
                }
            }
            progress(salvage.offset());
        }
        self.last = salvage.last();
        let bytes = segment.file_bytes()?;
        let walk = salvage.walk();
        match (&segment.summary, end) {
            (Some(summary), _) => {
                walk.offset = summary.frames_end;
                let footer = bytes.saturating_sub(summary.footer_bytes());
                whole &= rest_end(walk, footer)? <= summary.frames_end;
                whole &= read_table(segment)?.is_some();
            }
            // It had a footer, and what is left of that would be written over.
            (None, End::At(_)) if sealed => whole &= rest_end(walk, bytes)? <= walk.offset,
            (None, _) => {}
        }
        if !whole {
            self.steps.push(Step::Rewrite { segment: Arc::clone(segment), end, behind });
        }
        Ok(())
    }

    fn lose(&mut self, stretch: &Stretch) {
        let (first, last) = (stretch.first.position.plus(1), stretch.up_to.position);
        if first <= last {
            self.losses.push(Loss { first, last, streams: Vec::new() });
        }
    }

    fn lose_records(&mut self, checked: &CheckedFrame) {
        if checked.contradicts() {
            let header = &checked.frame.header;
            let (first, last) = (header.first.position, header.last().position);
            self.losses.push(Loss { first, last, streams: Vec::new() });
        }
        for lost in &checked.lost {
            let FrameRecord::Lost { first, last, .. } = *lost else { continue };
            let stream = checked.frame.stream_at(last);
            let (first, last) = (checked.frame.position(first), checked.frame.position(last));
            let streams =
                stream.map(|(stream, version)| LostStream { position: last, version, stream });
            self.losses.push(Loss { first, last, streams: streams.into_iter().collect() });
        }
    }
}
