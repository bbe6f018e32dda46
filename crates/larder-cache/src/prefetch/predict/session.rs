//! One run of the go command, seen from the outside.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

use larder_module::request::ObjectKind;

use super::{
    SessionKey, Why,
    graph::{Graph, NodeId, PathId, Requires},
    lazy::Lazy,
};

/// A session with fewer requests may join another one.
const YOUNG: usize = 40;
/// A client that asks for `.info` in the order of all modules it knows lists them; who leaves out this many downloads its own.
const SKIPPED: usize = 4;

/// Requests of one client may come in another order than it sent them, so many of them.
const IN_FLIGHT: usize = 3;
/// So many requests that a tidy main module with a new go line doesn't explain mean that it has an old one.
const ODDITIES: usize = 3;

/// It is judged by its first few.
const FEW: usize = 4;
/// Who asks for so many roots reads the whole graph, and most who do want the `.info` of the roots then.
const A_GRAPH: usize = 16;

/// Ranks, so that what is needed first comes first.
pub(super) mod rank {
    pub(in super::super) const FACTS: u32 = 0;
    pub(in super::super) const REQUIRED: u32 = 10;
    pub(in super::super) const COMPANION: u32 = 20;
    pub(in super::super) const IMPORTED: u32 = 30;
    pub(in super::super) const LIKELY: u32 = 100;
    pub(in super::super) const INFO: u32 = 1_000;
    pub(in super::super) const ZIP: u32 = 10_000;
}

/// A wish of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) id: NodeId,
    pub(super) kind: ObjectKind,
    pub(super) rank: u32,
    pub(super) why: Why,
    pub(super) facts: bool,
}

/// How far a kind of wish is trusted: so many on credit, then so many for each that the client really came for.
#[derive(Debug, Default)]
struct Credit {
    given: usize,
    used: usize,
    held: VecDeque<Draft>,
}

impl Credit {
    const fn allows(&self, why: Why, kind: ObjectKind) -> bool {
        let (first, each) = match (why, kind) {
            (Why::Facts, _) => return true,
            (Why::Required, _) => (1_000, 5),
            (Why::Companion, _) => (50, 5),
            (Why::Imported, _) => (20, 3),
            (Why::Likely, _) => (400, 3),
            (Why::Selected | Why::Listed, ObjectKind::Info) => (256, 5),
            (Why::Selected | Why::Listed, _) => (64, 4),
        };
        self.given < first + each * self.used
    }
}

#[derive(Debug, Default)]
pub(super) struct Asked {
    info: bool,
    r#mod: bool,
    pub(super) zip: bool,
}

impl Asked {
    const fn of(&mut self, kind: ObjectKind) -> &mut bool {
        match kind {
            ObjectKind::Info => &mut self.info,
            ObjectKind::Mod => &mut self.r#mod,
            ObjectKind::Zip => &mut self.zip,
        }
    }
}

/// What one session asked for, and what follows.
#[derive(Debug)]
pub(super) struct Session {
    key: SessionKey,
    last: Instant,
    requests: usize,
    pub(super) asked: HashMap<NodeId, Asked>,
    /// What was wished for, why, and whether it is held back.
    wished: HashMap<(NodeId, ObjectKind), (Why, bool)>,
    credit: HashMap<(Why, ObjectKind), Credit>,
    drafts: Vec<Draft>,
    /// The highest version of each path that was asked for or named.
    pub(super) best: HashMap<PathId, NodeId>,
    /// Below modules that don't name all they need: the client asks for the `.mod` of all of these.
    subtree: HashSet<NodeId>,
    /// Versions whose requirements were followed: as something that the client asked for, and as a subtree.
    followed: HashMap<NodeId, (bool, bool)>,
    /// The `.mod` asked for while the module graph was read, in their order.
    order: Vec<(u64, NodeId)>,
    /// What the main module names, by path.
    roots: HashMap<PathId, NodeId>,
    /// The latest roots.
    recent: VecDeque<NodeId>,
    /// The client is through with its roots.
    subtrees_began: bool,
    /// The main module's own go line is old: everything below it is read.
    unpruned: bool,
    /// Asked for out of order although only pruned modules name them.
    oddities: usize,
    /// Named by something that was asked for.
    named: HashSet<NodeId>,
    infos: usize,
    /// Paths that were asked the `.info` of.
    informed: HashSet<PathId>,
    informed_roots: usize,
    /// The client lists all modules.
    listing: bool,
    zips_follow: bool,
    pub(super) lazy: Lazy,
}

impl Session {
    pub(super) fn new(key: SessionKey, now: Instant) -> Self {
        Self {
            key,
            last: now,
            requests: 0,
            asked: HashMap::new(),
            wished: HashMap::new(),
            credit: HashMap::new(),
            drafts: Vec::new(),
            best: HashMap::new(),
            subtree: HashSet::new(),
            followed: HashMap::new(),
            order: Vec::new(),
            roots: HashMap::new(),
            recent: VecDeque::new(),
            subtrees_began: false,
            unpruned: false,
            oddities: 0,
            named: HashSet::new(),
            infos: 0,
            informed: HashSet::new(),
            informed_roots: 0,
            listing: false,
            zips_follow: false,
            lazy: Lazy::default(),
        }
    }

    pub(super) const fn key(&self) -> SessionKey {
        self.key
    }

    pub(super) const fn last(&self) -> Instant {
        self.last
    }

    pub(super) const fn is_young(&self) -> bool {
        self.requests < YOUNG
    }

    pub(super) fn take_drafts(&mut self) -> Vec<Draft> {
        std::mem::take(&mut self.drafts)
    }

    /// Reports whether this request is one that was to be expected.
    pub(super) fn foresees(&self, graph: &Graph, id: NodeId, kind: ObjectKind) -> bool {
        let asked = self.asked.get(&id);
        match kind {
            ObjectKind::Mod if asked.is_some_and(|asked| asked.r#mod) => false,
            ObjectKind::Mod => {
                self.wished.contains_key(&(id, kind))
                    || self.subtree.contains(&id)
                    || self.best.get(&graph.path(id)) == Some(&id)
            }
            ObjectKind::Info => asked.is_some_and(|asked| !asked.info && (asked.r#mod || asked.zip)),
            ObjectKind::Zip => {
                self.wished.contains_key(&(id, kind)) || asked.is_some_and(|asked| !asked.zip && asked.info)
            }
        }
    }

    /// Takes over what a session did that turned out to be part of this one.
    pub(super) fn take_over(&mut self, graph: &Graph, young: Self) {
        self.requests += young.requests;
        self.last = self.last.max(young.last);
        let mut mods: Vec<_> = young.order.iter().map(|(order, id)| (*order, *id)).collect();
        for (why, count) in young.credit {
            let credit = self.credit.entry(why).or_default();
            credit.given += count.given;
            credit.used += count.used;
        }
        for (wish, why) in young.wished {
            self.wished.entry(wish).or_insert(why);
        }
        self.drafts.extend(young.drafts);
        for (id, asked) in young.asked {
            let own = self.asked.entry(id).or_default();
            own.info |= asked.info;
            own.zip |= asked.zip;
            own.r#mod |= asked.r#mod;
            self.consider(graph, id);
        }
        mods.append(&mut self.order);
        mods.sort_unstable();
        (self.subtrees_began, self.oddities) = (false, 0);
        self.roots.clear();
        self.recent.clear();
        for (order, id) in mods {
            self.sort_in(graph, id);
            self.order.push((order, id));
            self.follow(graph, id);
        }
        let zips = young.lazy.zips();
        for id in zips {
            self.build(graph, id);
        }
    }

    pub(super) fn asked(
        &mut self,
        graph: &Graph,
        key: SessionKey,
        id: NodeId,
        kind: ObjectKind,
        order: u64,
        now: Instant,
    ) {
        self.key = key;
        self.last = now;
        self.requests += 1;
        let asked = self.asked.entry(id).or_default();
        if std::mem::replace(asked.of(kind), true) {
            return;
        }
        let (had_zip, had_info, had_mod) = (asked.zip, asked.info, asked.r#mod);
        self.count_use(id, kind);
        self.consider(graph, id);
        match kind {
            ObjectKind::Mod if self.listing => {}
            ObjectKind::Mod if had_zip => self.want_mod(graph, id),
            ObjectKind::Mod => {
                self.sort_in(graph, id);
                self.order.push((order, id));
                self.want_mod(graph, id);
                self.follow(graph, id);
            }
            ObjectKind::Info if !had_zip => self.inform(graph, id),
            ObjectKind::Info => {}
            ObjectKind::Zip if had_info && self.has_informed() => self.download_zips(graph),
            ObjectKind::Zip => self.build(graph, id),
        }
    }

    /// The requirements of a version became known; false if that is no matter of this session's.
    pub(super) fn learned(&mut self, graph: &Graph, id: NodeId) -> bool {
        if !self.asked.contains_key(&id) && !self.wished.contains_key(&(id, ObjectKind::Mod)) {
            return false;
        }
        self.follow(graph, id);
        self.resolve_pending(graph);
        true
    }

    /// The packages of a version became known; false if that is no matter of this session's.
    pub(super) fn unpacked(&mut self, graph: &Graph, id: NodeId) -> bool {
        if !self.lazy.uses(id) {
            return false;
        }
        self.visit(graph, id);
        self.resolve_pending(graph);
        true
    }

    pub(super) fn wish(&mut self, draft: Draft) {
        let Draft { id, kind, why, .. } = draft;
        if why != Why::Facts && self.asked.entry(id).or_default().of(kind) == &true {
            return;
        }
        if let Some((_, is_held)) = self.wished.get(&(id, kind))
            && (!is_held || why != Why::Facts)
        {
            return;
        }
        let credit = self.credit.entry((why, kind)).or_default();
        let is_held = !credit.allows(why, kind);
        self.wished.insert((id, kind), (why, is_held));
        if is_held {
            credit.held.push_back(draft);
        } else {
            credit.given += 1;
            self.drafts.push(draft);
        }
    }

    fn count_use(&mut self, id: NodeId, kind: ObjectKind) {
        let Some(&(why, _)) = self.wished.get(&(id, kind)) else { return };
        let credit = self.credit.entry((why, kind)).or_default();
        credit.used += 1;
        while credit.allows(why, kind) {
            let Some(draft) = credit.held.pop_front() else { return };
            if self.asked.get_mut(&draft.id).is_none_or(|asked| !*asked.of(draft.kind)) {
                self.wished.insert((draft.id, draft.kind), (why, false));
                credit.given += 1;
                self.drafts.push(draft);
            }
        }
    }

    /// Asks for the requirements of a version that the client asked for itself.
    pub(super) fn want_mod(&mut self, graph: &Graph, id: NodeId) {
        if matches!(graph.requires(id), Requires::Unknown) {
            self.wish(Draft { id, kind: ObjectKind::Mod, rank: rank::FACTS, why: Why::Facts, facts: true });
        }
    }

    /// Notes that a version exists in the client's graph; true if it is the highest of its path so far.
    pub(super) fn consider(&mut self, graph: &Graph, id: NodeId) -> bool {
        let best = self.best.entry(graph.path(id)).or_insert(id);
        if *best != id && graph.compare(id, *best) == Ordering::Greater {
            *best = id;
        }
        *best == id
    }

    /// Takes the `.mod` of a version as the next in the order that roots come in.
    ///
    /// They are sorted by path; with several main modules, or in a go.mod file, there are several sorted lists in a row. What neither
    /// ascends nor lies in a subtree begins the next one, unless only an old main module explains it.
    fn sort_in(&mut self, graph: &Graph, id: NodeId) {
        let path = graph.path(id);
        let is_sequel = self.subtree.contains(&id) || self.is_ahead(graph, id);
        let is_second_version =
            !self.order.is_empty() && self.roots.get(&path).is_some_and(|root| *root != id);
        if !is_sequel
            && is_second_version
            && self.named.contains(&id)
            && self.infos == 0
            && self.lazy.is_idle()
        {
            self.oddities += 1;
            if self.oddities == ODDITIES {
                self.read_on_everywhere(graph);
            }
        } else if !is_sequel && !is_second_version {
            self.recent.clear();
        }
        let is_root = !self.subtree.contains(&id) || (self.is_ahead(graph, id) && !self.subtrees_began);
        self.subtrees_began |= !is_root;
        if is_root || self.unpruned {
            let root = self.roots.entry(path).or_insert(id);
            if graph.compare(id, *root) == Ordering::Greater {
                *root = id;
            }
            let starts_over = self.recent.is_empty();
            self.recent.push_back(id);
            if self.recent.len() > IN_FLIGHT {
                self.recent.pop_front();
            }
            if starts_over && !self.order.is_empty() {
                self.hope(graph);
            }
            match self.roots.len().cmp(&A_GRAPH) {
                Ordering::Less => {}
                Ordering::Equal => self.wish_infos(graph),
                Ordering::Greater => {
                    self.wish(Draft {
                        id,
                        kind: ObjectKind::Info,
                        rank: rank::INFO,
                        why: Why::Selected,
                        facts: false,
                    });
                }
            }
        }
    }

    /// A client whose main module is old reads what pruned modules require, too.
    fn read_on_everywhere(&mut self, graph: &Graph) {
        self.unpruned = true;
        let mods: Vec<_> = self.order.iter().map(|(_, id)| *id).collect();
        for id in mods {
            self.follow(graph, id);
        }
    }

    /// Another list of roots begins, so what had been passed may still come.
    fn hope(&mut self, graph: &Graph) {
        if !self.lazy.is_idle() {
            return;
        }
        let best: Vec<_> = self.best.values().copied().filter(|id| self.is_ahead(graph, *id)).collect();
        for id in best {
            self.wish(Draft { id, kind: ObjectKind::Mod, rank: rank::LIKELY, why: Why::Likely, facts: true });
        }
    }

    /// Follows the requirements of a version, as far as they are known.
    pub(super) fn follow(&mut self, graph: &Graph, start: NodeId) {
        let mut work = vec![start];
        while let Some(id) = work.pop() {
            let Requires::Known { pruned, list } = graph.requires(id) else { continue };
            let is_asked = self.asked.get(&id).is_some_and(|asked| asked.r#mod && !asked.zip);
            let is_subtree = self.subtree.contains(&id) || self.unpruned || (is_asked && !pruned);
            let how = (is_asked, is_subtree);
            if self.followed.get(&id).is_some_and(|before| *before >= how) {
                continue;
            }
            self.followed.insert(id, how);
            for &required in &**list {
                if is_asked || is_subtree {
                    self.named.insert(required);
                }
                if !(is_asked || is_subtree || !self.lazy.is_idle()) {
                    continue;
                }
                let is_best = self.consider(graph, required);
                if is_subtree {
                    if self.subtree.insert(required) {
                        let rank = rank::REQUIRED;
                        self.wish(Draft {
                            id: required,
                            kind: ObjectKind::Mod,
                            rank,
                            why: Why::Required,
                            facts: true,
                        });
                        work.push(required);
                    }
                } else if is_asked && is_best && self.lazy.is_idle() && self.is_ahead(graph, required) {
                    let rank = rank::LIKELY;
                    self.wish(Draft {
                        id: required,
                        kind: ObjectKind::Mod,
                        rank,
                        why: Why::Likely,
                        facts: true,
                    });
                }
            }
        }
    }

    /// Roots come sorted by path: what sorts before the latest, and before those that were in flight with it, is not one of them.
    fn is_ahead(&self, graph: &Graph, id: NodeId) -> bool {
        let path = graph.path_text(id);
        self.recent.is_empty() || self.recent.iter().any(|recent| graph.path_text(*recent) < path)
    }

    /// The client asks for `.info` after it has read the graph: of its roots in the order of its go.mod file if it goes on to download
    /// them, of all modules of the graph sorted by path if it lists them.
    fn inform(&mut self, graph: &Graph, id: NodeId) {
        let path = graph.path(id);
        self.infos += 1;
        self.informed.insert(path);
        if self.order.is_empty() {
            return;
        }
        let is_root = self.roots.get(&path) == Some(&id);
        if self.listing || (self.lazy.is_idle() && !is_root && self.best.get(&path) == Some(&id)) {
            self.list(graph, id);
            return;
        }
        self.wish_infos(graph);
        if !is_root {
            return;
        }
        let path = graph.path_text(id);
        self.informed_roots += 1;
        let is_skipped = |other: &&NodeId| {
            graph.path_text(**other) < path && !self.informed.contains(&graph.path(**other))
        };
        if self.informed_roots == FEW && self.best.values().filter(is_skipped).count() >= SKIPPED {
            self.download_zips(graph);
        }
    }

    /// Who downloads its modules asks for the `.info` of all of them before the first zip.
    fn has_informed(&self) -> bool {
        self.listing || (self.informed_roots > 0 && self.informed_roots * 10 >= self.roots.len() * 9)
    }

    /// The client lists all modules: their `.info`, and their `.mod` where it hasn't been read yet.
    fn list(&mut self, graph: &Graph, id: NodeId) {
        if !std::mem::replace(&mut self.listing, true) {
            let mut all: Vec<NodeId> = self.best.values().copied().collect();
            all.sort_by_key(|id| graph.path_text(*id));
            let start = graph.path_text(id);
            for (id, rank) in all.into_iter().filter(|id| graph.path_text(*id) >= start).zip(rank::INFO..) {
                for kind in [ObjectKind::Info, ObjectKind::Mod] {
                    self.wish(Draft { id, kind, rank, why: Why::Listed, facts: false });
                }
            }
        }
    }

    /// Who has read the graph wants the `.info` of all roots, whatever it is for.
    fn wish_infos(&mut self, graph: &Graph) {
        for (id, rank) in self.selected(graph).into_iter().zip(rank::INFO..) {
            self.wish(Draft { id, kind: ObjectKind::Info, rank, why: Why::Selected, facts: false });
        }
    }

    fn download_zips(&mut self, graph: &Graph) {
        if std::mem::replace(&mut self.zips_follow, true) {
            return;
        }
        let selected = if self.listing { self.listed(graph) } else { self.selected(graph) };
        for (id, rank) in selected.into_iter().zip(rank::ZIP..) {
            self.wish(Draft { id, kind: ObjectKind::Zip, rank, why: Why::Selected, facts: false });
        }
    }

    /// What was asked the `.info` of, sorted by path.
    fn listed(&self, graph: &Graph) -> Vec<NodeId> {
        let mut listed: Vec<_> =
            self.asked.iter().filter(|(_, asked)| asked.info).map(|(id, _)| *id).collect();
        listed.sort_by_key(|id| graph.path_text(*id));
        listed
    }

    /// The versions that the main module names, sorted by path; of an old one, all that were read.
    fn selected(&self, graph: &Graph) -> Vec<NodeId> {
        let mut roots: Vec<NodeId> = self.roots.values().copied().collect();
        roots.sort_by_key(|id| graph.path_text(*id));
        roots
    }
}
