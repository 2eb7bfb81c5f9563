//! Random targets.

use super::matches::Writer;

impl Writer<'_> {
    /// A target that ends the chain.
    pub(super) fn verdict(&mut self) -> String {
        format!(
            " -j {}",
            self.rng
                .pick(&["ACCEPT", "DROP", "RETURN", "ACCEPT", "DROP", "REJECT"])
        )
    }

    pub(super) fn target(&mut self, is_tcp: bool) -> String {
        let chain = (!self.chains.is_empty()).then(|| self.rng.pick(self.chains).clone());
        match (self.rng.below(100), chain) {
            (0..60, _) => self.verdict(),
            (60..66, _) if is_tcp => " -j REJECT --reject-with tcp-reset".to_owned(),
            (60..66, _) if self.ipv6 => " -j REJECT --reject-with icmp6-adm-prohibited".to_owned(),
            (60..66, _) => " -j REJECT --reject-with icmp-host-unreachable".to_owned(),
            (66..72, _) => " -j LOG --log-prefix \"seen: \" --log-level 4".to_owned(),
            (72..80, _) => {
                let how = [
                    "--set-mark 1",
                    "--set-xmark 0x10/0xf0",
                    "--or-mark 2",
                    "--and-mark 0xfffffff0",
                    "--xor-mark 3",
                    "--set-mark 0",
                ];
                format!(" -j MARK {}", self.rng.pick(&how))
            }
            (80..90, Some(chain)) => format!(" -j {chain}"),
            (90..97, Some(chain)) => format!(" -g {chain}"),
            (97.., _) => String::new(),
            (_, None) => " -j DROP".to_owned(),
        }
    }
}
