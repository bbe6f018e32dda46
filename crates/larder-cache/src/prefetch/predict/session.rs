//! One run of the go command, seen from the outside.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

use larder_module::request::ObjectKind;

use super::{
    SessionKey, Why,
    credit::{Credit, Draft, rank},
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
/// A session that knows so much follows nothing further (see [`Session::load`]); real ones come to a tenth.
const MAX_LOAD: usize = 200_000;

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
    /// Which connection asked for what.
    askers: HashMap<(NodeId, ObjectKind), u64>,
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
    /// The only version that was asked for, by name as it seems.
    single: Option<(u64, NodeId)>,
    infos: usize,
    /// Paths that were asked the `.info` of.
    informed: HashSet<PathId>,
    informed_roots: usize,
    /// The client lists all modules.
    listing: bool,
    zips_follow: bool,
    all_zips_follow: bool,
    pub(super) lazy: Lazy,
}

impl Session {
    pub(super) fn new(key: SessionKey, now: Instant) -> Self {
        Self {
            key,
            last: now,
            requests: 0,
            askers: HashMap::new(),
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
            single: None,
            infos: 0,
            informed: HashSet::new(),
            informed_roots: 0,
            listing: false,
            zips_follow: false,
            all_zips_follow: false,
            lazy: Lazy::default(),
        }
    }

    pub(super) const fn key(&self) -> SessionKey {
        self.key
    }

    pub(super) const fn last(&self) -> Instant {
        self.last
    }

    /// Returns how much it keeps, in items of some 30 bytes.
    pub(super) fn load(&self) -> usize {
        self.asked.len() + self.wished.len() + self.best.len() + self.named.len() + self.subtree.len()
    }

    /// Reports whether it should be clear by now whom it belongs to.
    pub(super) const fn has_waited(&self) -> bool {
        self.requests > YOUNG / 3
    }

    pub(super) const fn is_young(&self) -> bool {
        self.requests < YOUNG
    }

    /// Reports whether another connection of this session asked for the same before, which one client would not do.
    pub(super) fn was_asked_elsewhere(&self, key: SessionKey, id: NodeId, kind: ObjectKind) -> bool {
        self.askers.get(&(id, kind)).is_some_and(|asker| *asker != key.connection)
    }

    /// Reports whether both asked for the same thing, so that they are two clients.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (small, large) =
            if self.askers.len() < other.askers.len() { (self, other) } else { (other, self) };
        small.askers.keys().any(|asked| large.askers.contains_key(asked))
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
            // What waits for credit is wished for nowhere else.
            credit.held.extend(count.held);
        }
        for (wish, why) in young.wished {
            self.wished.entry(wish).or_insert(why);
        }
        self.drafts.extend(young.drafts);
        self.askers.extend(young.askers);
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
        let (had_zip, had_info) = (asked.zip, asked.info);
        self.askers.insert((id, kind), key.connection);
        self.count_use(graph, id, kind);
        self.consider(graph, id);
        match kind {
            ObjectKind::Mod if had_zip => self.want_mod(graph, id),
            // Somebody wants to know about this one version, perhaps not more.
            ObjectKind::Mod if had_info && self.order.is_empty() => {
                self.single = Some((order, id));
                self.want_mod(graph, id);
            }
            // Who lists modules reads those that are in nobody's way: what they require doesn't count.
            ObjectKind::Mod if had_info => {}
            ObjectKind::Mod => {
                if let Some((order, single)) = self.single.take() {
                    self.sort_in(graph, single);
                    self.order.push((order, single));
                    self.follow(graph, single);
                }
                self.sort_in(graph, id);
                self.order.push((order, id));
                self.want_mod(graph, id);
                self.follow(graph, id);
            }
            ObjectKind::Info if !had_zip => self.inform(graph, id),
            ObjectKind::Info => {}
            ObjectKind::Zip if had_info && self.has_informed() => {
                self.download_zips(graph);
                if self.listing && self.roots.get(&graph.path(id)) != Some(&id) {
                    self.download_listed(graph);
                }
            }
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

    fn count_use(&mut self, graph: &Graph, id: NodeId, kind: ObjectKind) {
        let Some(&(why, _)) = self.wished.get(&(id, kind)) else { return };
        self.credit.entry((why, kind)).or_default().used += 1;
        self.release(graph, why, kind);
    }

    /// Makes wishes of what was held back, as far as there is credit.
    fn release(&mut self, graph: &Graph, why: Why, kind: ObjectKind) {
        let credit = self.credit.entry((why, kind)).or_default();
        while credit.allows(why, kind) {
            let Some(draft) = credit.held.pop_front() else { return };
            let is_asked = self.asked.get_mut(&draft.id).is_some_and(|asked| *asked.of(draft.kind));
            let is_outdone = why == Why::Likely && self.best.get(&graph.path(draft.id)) != Some(&draft.id);
            if !is_asked && !is_outdone {
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
            let of_roots = [
                (Why::Required, ObjectKind::Mod),
                (Why::Likely, ObjectKind::Mod),
                (Why::Selected, ObjectKind::Info),
            ];
            for (why, kind) in of_roots {
                self.credit.entry((why, kind)).or_default().roots = self.roots.len();
                self.release(graph, why, kind);
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
        let best: Vec<_> = self.best.values().copied().filter(|id| self.is_ahead(graph, *id)).collect();
        for id in best {
            self.wish(Draft { id, kind: ObjectKind::Mod, rank: rank::LIKELY, why: Why::Likely, facts: true });
        }
    }

    /// Reports whether the client reads the module graph; who builds names its roots by their zips.
    fn reads_graph(&self) -> bool {
        self.lazy.modules() <= self.roots.len()
    }

    /// Follows the requirements of a version, as far as they are known.
    pub(super) fn follow(&mut self, graph: &Graph, start: NodeId) {
        let reads_graph = self.reads_graph();
        let mut work = vec![start];
        while let Some(id) = work.pop() {
            let Requires::Known { pruned, list } = graph.requires(id) else { continue };
            if self.load() > MAX_LOAD {
                return;
            }
            let is_single = self.single.is_some_and(|(_, single)| single == id);
            let is_asked = !is_single && self.asked.get(&id).is_some_and(|asked| asked.r#mod && !asked.zip);
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
                } else if is_asked && is_best && reads_graph && self.is_ahead(graph, required) {
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
        if self.listing || (self.reads_graph() && !is_root && self.best.get(&path) == Some(&id)) {
            self.list(graph, id);
            return;
        }
        if !is_root {
            return;
        }
        if self.informed_roots == 0 {
            self.wish_infos(graph);
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
        let nearly = |some: usize, all: usize| some > 0 && some * 10 >= all * 9;
        if self.listing {
            nearly(self.informed.len(), self.best.len())
        } else {
            nearly(self.informed_roots, self.roots.len())
        }
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
        self.wish_zips(self.selected(graph));
    }

    /// Modules beside the roots are downloaded as well: all that were asked the `.info` of.
    fn download_listed(&mut self, graph: &Graph) {
        if std::mem::replace(&mut self.all_zips_follow, true) {
            return;
        }
        let mut listed: Vec<_> =
            self.asked.iter().filter(|(_, asked)| asked.info).map(|(id, _)| *id).collect();
        listed.sort_by_key(|id| graph.path_text(*id));
        self.wish_zips(listed);
    }

    fn wish_zips(&mut self, ids: Vec<NodeId>) {
        for (id, rank) in ids.into_iter().zip(rank::ZIP..) {
            self.wish(Draft { id, kind: ObjectKind::Zip, rank, why: Why::Selected, facts: false });
        }
    }

    /// The versions that the main module names, sorted by path; of an old one, all that were read.
    fn selected(&self, graph: &Graph) -> Vec<NodeId> {
        let mut roots: Vec<NodeId> = self.roots.values().copied().collect();
        roots.sort_by_key(|id| graph.path_text(*id));
        roots
    }
}
