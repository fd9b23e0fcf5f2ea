//! Crashes: when they come, what disk they leave, and which index is found on it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use annals::{Position, ReadOnlyStore, Timestamp};
use annals_env::{Fs, LastChoices, SeededChoices};

use super::Simulation;
use super::life::{OPEN_MAX, Promised, Reader, Replaced};
use super::process::Process;
use crate::check::{self, Check};
use crate::images;
use crate::model::Model;
use crate::world::{STORE, World, new_disk};

/// So many of a hundred crashes end the store for good: another begins on an empty disk, so that
/// creation is crashed in too, and stores stay small.
const NEW_STORE_PERCENT: u64 = 6;
/// So many of a hundred crashes are of the disk itself: an earlier copy is put back.
const RESTORE_PERCENT: u64 = 5;
/// Images of the index that are kept.
const IMAGES_MAX: usize = 4;

impl Simulation {
    /// The disk crashes at one of its next operations.
    pub(super) fn crash_soon(&mut self) -> Check<String> {
        let within = *self.dice.pick(&[2, 6, 20, 60]);
        if self.dice.chance(30) {
            let operations = self.dice.below(within);
            self.process.die_behind(operations);
            return Ok(format!("the process dies behind {operations} operations"));
        }
        let number = self.disk.operations() + 1 + self.dice.below(within);
        self.disk.crash_at(number);
        Ok(format!("at operation {number}"))
    }

    /// The disk crashes between two operations.
    pub(super) fn crash_now(&mut self) -> Check<String> {
        self.disk.crash();
        Ok(String::new())
    }

    /// What becomes of a life that a crash ended: who waits is told something, and the disk is one
    /// that the crash can leave.
    pub(super) fn crashed(&mut self) -> Check {
        if let Some(mut life) = self.life.take() {
            for waiting in std::mem::take(&mut life.submitted) {
                if self.dice.chance(50) {
                    let answer = waiting.submitted.wait();
                    self.came_through(&waiting.receipt, waiting.durable, answer)?;
                }
            }
        }
        self.promised.clean = false;
        let before = self.disk.fingerprint();
        if !self.disk.has_crashed() {
            // Who reads beside lives on, and so does what the machine has in memory.
            self.tally.kills += 1;
            self.tally.beside += u64::from(!self.readers.is_empty());
            self.count_pair((self.disk.operations(), before));
            self.note(format!("--- the process is dead, {before:016x}"));
            self.calm();
            self.restart();
            return self.prepare(false);
        }
        self.readers.clear();
        let place = self.disk.crashed_in();
        let cut = self.dice.chance(65);
        let mut choices = SeededChoices::new(self.dice.seed());
        let image = if cut {
            self.promised.acknowledged = self.promised.durable;
            self.sure.cut();
            self.tally.power_cuts += 1;
            self.disk.power_cut(&mut choices)
        } else {
            self.tally.kills += 1;
            self.disk.kill(&mut choices)
        };
        let found = image.fingerprint();
        self.count_pair((self.disk.operations(), place.is_some(), before, cut, found));
        let place = place.map_or("between operations".to_owned(), |place| place.to_string());
        let what = if cut { "power cut" } else { "kill" };
        self.disk = image;
        self.note(format!("--- {what} {place}, {before:016x} to {found:016x}"));
        self.calm();
        self.disk.lying_sync(false);
        if self.dice.chance(NEW_STORE_PERCENT) {
            self.begin_anew();
        } else if self.dice.chance(RESTORE_PERCENT) {
            self.restore();
        }
        self.restart();
        self.prepare(cut)
    }

    fn count_pair(&mut self, pair: impl Hash) {
        let mut hasher = DefaultHasher::new();
        pair.hash(&mut hasher);
        self.tally.pairs.insert(hasher.finish());
    }

    /// What may come before the next opening.
    fn prepare(&mut self, settled: bool) -> Check {
        if self.dice.chance(35) {
            self.find_other_index();
        }
        if self.dice.chance(40) && !self.has_ended() {
            self.look_read_only(settled)?;
        }
        Ok(())
    }

    /// A copy of the whole disk, to be put back later.
    pub(super) fn keep_copy(&mut self) {
        self.kept.copy = Some((self.disk.power_cut(&mut LastChoices), self.model.clone()));
        self.note("--- the disk is copied".to_owned());
    }

    /// The copy takes the disk's place: what came later never was.
    fn restore(&mut self) {
        let Some((disk, model)) = &self.kept.copy else { return };
        self.disk = images::copy(disk);
        self.model = model.clone();
        // It may have been full when it was copied.
        self.calm();
        self.restored();
    }

    /// The same under the eyes of readers: other files take the place of those that they have open.
    pub(super) fn restore_in_place(&mut self) {
        let Some((copy, model)) = &self.kept.copy else { return };
        let replace = || -> std::io::Result<()> {
            for path in self.disk.files() {
                self.disk.remove(&path)?;
                self.disk.sync_dir(path.parent().unwrap_or(&path))?;
            }
            for path in copy.files() {
                self.disk.write_file(&path, &copy.read_file(&path)?)?;
            }
            Ok(())
        };
        if replace().is_err() {
            // The disk crashed meanwhile: what is half put back is of no use.
            self.readers.clear();
            return self.restore();
        }
        for reader in &mut self.readers {
            let at = reader.store.position();
            let same = self.model.checkpoint(at) == model.checkpoint(at);
            let lost = reader.replaced == Replaced::AndLost || !same;
            reader.replaced = if lost { Replaced::AndLost } else { Replaced::Yes };
        }
        self.model = model.clone();
        self.restored();
    }

    fn restored(&mut self) {
        let head = self.model.head();
        self.promised = Promised { acknowledged: head, durable: head, ..Promised::default() };
        self.promised.opened = true;
        self.sure = Default::default();
        self.tally.restored += 1;
        self.note(format!("--- the copy is put back, at {head}"));
    }

    /// Another store on an empty disk.
    fn begin_anew(&mut self) {
        let torn_sectors = self.dice.chance(70);
        self.disk = new_disk(annals_env::Faults { torn_sectors, ..Default::default() });
        self.model = Model::new();
        self.promised = Default::default();
        self.sure = Default::default();
        self.note("--- a new store".to_owned());
    }

    /// The machine starts again.
    pub(super) fn restart(&mut self) {
        let by = i64::try_from(self.dice.below(10_000_000)).unwrap_or(0);
        let back = if self.dice.chance(15) { 3_600_000_000 } else { 0 };
        let now = Timestamp::from_micros(self.world.now().as_micros() + by - back);
        self.latest = self.latest.max(now);
        self.process = Process::new(self.disk.clone());
        self.world = World::at(self.process.clone(), self.dice.seed(), now);
        self.beside = World::at(self.disk.clone(), self.dice.seed(), now);
        self.due = 0;
    }

    /// The saved index is an earlier one that was saved, or none: a backend may fall back.
    pub(super) fn find_other_index(&mut self) {
        let path = image_path();
        let choice = self.dice.index(self.kept.images.len() + 2);
        let told = match self.kept.images.get(choice) {
            Some(image) => {
                self.disk.write_file(&path, image).expect("the disk has room");
                format!("an earlier one of {} bytes", image.len())
            }
            None => {
                let folder = path.parent().unwrap_or(&path);
                let gone = self.disk.remove(&path).and_then(|()| self.disk.sync_dir(folder));
                format!("none: {gone:?}")
            }
        };
        self.note(format!("--- the saved index is {told}"));
    }

    /// Keeps the image of the index that was saved now.
    pub(super) fn keep_image(&mut self) {
        let Ok(image) = self.disk.read_file(&image_path()) else { return };
        if self.kept.images.last() == Some(&image) {
            return;
        }
        if self.kept.images.len() == IMAGES_MAX {
            let index = self.dice.index(IMAGES_MAX);
            self.kept.images.remove(index);
        }
        self.kept.images.push(image);
    }

    /// Nobody writes; who reads sees what the next writer will, and changes nothing.
    pub(super) fn look_read_only(&mut self, settled: bool) -> Check {
        let before = self.disk.fingerprint();
        let looked = self.beside.open_read_only();
        let told = match looked {
            Ok(store) => {
                let head = self.look(&store).map_err(|error| format!("read-only: {error}"))?;
                // What a reader saw is there when the next one looks.
                self.acknowledged(head, settled)?;
                // Reads on when somebody writes again.
                if self.readers.len() < OPEN_MAX && self.dice.chance(50) {
                    self.readers.push(Reader {
                        store,
                        seen: head,
                        replaced: Replaced::No,
                        followers: Vec::new(),
                    });
                }
                format!("up to {head}")
            }
            Err(error) if self.promised.opened => return Err(format!("read-only: {error}")),
            Err(error) if *error.kind() == annals::ErrorKind::NotAStore => "no store".to_owned(),
            Err(error) => return Err(format!("read-only: {error}")),
        };
        check::equal("the disk behind a reader", before, self.disk.fingerprint())?;
        self.note(format!("--- read-only: {told}"));
        Ok(())
    }

    fn look(&self, store: &ReadOnlyStore) -> Check<Position> {
        check::equal("the damage", &[][..], store.damage())?;
        let head = store.position();
        self.may_end_at(head)?;
        check::answers(store, &self.model, head)?;
        Ok(head)
    }

    /// Whether what was promised is there, and in whole commits.
    pub(super) fn may_end_at(&self, head: Position) -> Check {
        let least = self.promised.acknowledged;
        if head < least {
            return Err(format!("it ends at {head}, but {least} was acknowledged"));
        }
        if self.promised.most.is_some_and(|most| head > most) {
            return Err(format!("it ends at {head}, but {:?} was the end", self.promised.most));
        }
        if head > self.model.head() || !self.model.is_between_commits(head) {
            return Err(format!("it ends at {head}, inside a commit or behind all"));
        }
        Ok(())
    }

    /// A bit rots in the newest segment of a copy of the disk, behind a good end: whatever it hits,
    /// an opening finds everything or says that something is damaged.
    pub(super) fn rot(&mut self) -> Check {
        let copy = images::copy(&self.disk);
        let files = copy.files();
        let Some(newest) =
            files.iter().rfind(|path| path.extension().is_some_and(|it| it == "seg"))
        else {
            return Ok(());
        };
        let bytes = copy.read_file(newest).map_err(|error| error.to_string())?;
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64 + 1;
        // Mostly in the last frames, where only evidence tells rot from a torn tail.
        let offset = if self.dice.chance(70) {
            end - 1 - self.dice.below(end.min(600))
        } else {
            self.dice.below(bytes.len() as u64)
        };
        let bit = u32::try_from(self.dice.below(8)).unwrap_or(0);
        copy.flip_bit(newest, offset, bit).map_err(|error| error.to_string())?;
        let world = World::at(copy, self.dice.seed(), self.world.now());
        let told = match world.open(annals::Durability::Sync) {
            Ok(store) => {
                check::equal("the head over a rotten bit", self.model.head(), store.position())?;
                "opens".to_owned()
            }
            Err(error) if error.damage().is_some() => "is damaged".to_owned(),
            Err(error) => return Err(format!("over a rotten bit: {error}")),
        };
        self.note(format!("--- with a rotten bit at {offset} of {}: {told}", newest.display()));
        Ok(())
    }

    /// Failures that were ordered and did not come are taken back.
    pub(super) fn calm(&mut self) {
        self.disk.forget_failures();
        self.disk.set_capacity(None);
        self.full = false;
        self.due = 0;
    }
}

fn image_path() -> PathBuf {
    Path::new(STORE).join("index/memory/image")
}
