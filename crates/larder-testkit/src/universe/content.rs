//! What fills the zips: compressible text, in as many and as large files as real modules have.

use crate::Rng;
use crate::zip::Packed;

const FILES: usize = 512;

/// Text files that all zips draw from; each is deflated once.
#[derive(Debug)]
pub struct Pool {
    files: Vec<Packed>,
}

impl Pool {
    /// Makes the files of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let words: Vec<String> = (0..3000).map(|_| word(&mut rng)).collect();
        let mut files: Vec<Packed> =
            (0..FILES).map(|_| Packed::new(text(size(&mut rng), &words, &mut rng).as_bytes())).collect();
        files.sort_by_key(Packed::packed_len);
        Self { files }
    }

    /// Returns a file that takes up no more than that, or the smallest one.
    pub(super) fn pick(&self, room: usize, rng: &mut Rng) -> &Packed {
        let fitting = self.files.partition_point(|file| file.packed_len() <= room);
        &self.files[rng.below(fitting.max(1))]
    }
}

/// Sizes are spread log-normally: half of all files below 3 kB, one in twenty above 80 kB.
fn size(rng: &mut Rng) -> usize {
    let sum: f64 = (0..12).map(|_| rng.fraction()).sum();
    let size = 2900.0 * (2.0 * (sum - 6.0)).exp();
    size.clamp(60.0, 2_000_000.0) as usize
}

fn word(rng: &mut Rng) -> String {
    (0..2 + rng.below(9)).map(|_| char::from(b'a' + u8::try_from(rng.below(26)).expect("a letter"))).collect()
}

/// Writes something like code: few words come often, many seldom.
fn text(size: usize, words: &[String], rng: &mut Rng) -> String {
    let mut text = "package filler\n\nimport \"fmt\"\n\n".to_owned();
    let word = |rng: &mut Rng| words[(words.len() as f64 * rng.fraction().powi(4)) as usize].as_str();
    while text.len() < size {
        text.push_str("// ");
        for _ in 0..4 + rng.below(8) {
            text.push_str(word(rng));
            text.push(' ');
        }
        let (name, first, second) = (word(rng), word(rng), word(rng));
        text.push_str(&format!(
            "\nfunc (receiver *{name}) {first}({second} string) error {{\n\treturn fmt.Errorf(\"{first}: %s\", {second})\n}}\n\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use crate::Rng;

    #[test]
    fn files_shrink_as_text_does() {
        let pool = Pool::new(1);
        let mut rng = Rng::new(2);
        assert!(pool.pick(5000, &mut rng).packed_len() <= 5000);
        assert_eq!(pool.pick(0, &mut rng).packed_len(), pool.files[0].packed_len());
    }
}
