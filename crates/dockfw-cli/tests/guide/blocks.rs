//! The commands of a text.

/// A block of commands.
#[derive(Debug)]
pub(crate) struct Block {
    /// The heading that it is under.
    pub(crate) heading: String,
    /// Its number under this heading, from 1.
    pub(crate) number: usize,
    /// Its lines.
    pub(crate) text: String,
}

/// All blocks that are marked as `sh`, in their order.
pub(crate) fn read(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut heading, mut number, mut inside) = (String::new(), 0, false);
    for line in text.lines() {
        if inside {
            inside = line != "```";
            if let Some(block) = blocks.last_mut().filter(|_| inside) {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if let Some(of) = line.strip_prefix("## ") {
            of.clone_into(&mut heading);
            number = 0;
        } else if line == "```sh" {
            inside = true;
            number += 1;
            blocks.push(Block {
                heading: heading.clone(),
                number,
                text: String::new(),
            });
        }
    }
    blocks
}
