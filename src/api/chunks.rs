//! A chunked body's framing: where it ends, and whether it is what RFC 9112 section 7.1 says.

/// Most bytes of chunk extensions and trailers of one body together. No client of ours sends any.
const MOST_SPARE: usize = 1024;
/// Most digits of a chunk's size: hexadecimal, up to 2^60.
const SIZE_DIGITS: u8 = 15;

enum Part {
    /// A size, of which so many digits are read.
    Size { digits: u8 },
    /// What may stand behind a size.
    Extension,
    /// The LF of a size's line.
    SizeEnd,
    /// So many bytes of data.
    Data(u64),
    /// CR, then LF, behind data.
    DataEnd { returned: bool },
    /// Lines behind the last chunk; the body ends with an empty one.
    Trailer { empty: bool },
    /// The LF of such a line.
    TrailerEnd { empty: bool },
}

/// How far a body has come.
pub(super) struct Chunks {
    part: Part,
    size: u64,
    spare: usize,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { part: Part::Size { digits: 0 }, size: 0, spare: 0 }
    }

    /// How many of these bytes belong to the body, and whether it ends with them.
    ///
    /// # Errors
    /// How many bytes were in order, and what is wrong with the next.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), (usize, &'static str)> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Part::Data(left) = &mut self.part {
                let taken = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                at += taken;
                *left -= taken as u64;
                if *left == 0 {
                    self.part = Part::DataEnd { returned: false };
                }
                continue;
            }
            let ended = self.step(*byte).map_err(|why| (at, why))?;
            at += 1;
            if ended {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// Takes one byte that is no data; whether the body ends with it.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.part = match (&self.part, byte) {
            (Part::Size { digits }, _) if byte.is_ascii_hexdigit() => {
                if *digits == SIZE_DIGITS {
                    return Err("a chunk is too large");
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = if *digits == 0 { 0 } else { self.size << 4 } | u64::from(digit);
                Part::Size { digits: digits + 1 }
            }
            (Part::Size { digits: 1.. } | Part::Extension, b'\r') => Part::SizeEnd,
            (Part::Size { digits: 1.. }, b';') => Part::Extension,
            (Part::Extension, _) if is_text(byte) => {
                self.spend()?;
                Part::Extension
            }
            (Part::SizeEnd, b'\n') if self.size == 0 => Part::Trailer { empty: true },
            (Part::SizeEnd, b'\n') => Part::Data(self.size),
            (Part::DataEnd { returned: false }, b'\r') => Part::DataEnd { returned: true },
            (Part::DataEnd { returned: true }, b'\n') => Part::Size { digits: 0 },
            (Part::Trailer { empty }, b'\r') => Part::TrailerEnd { empty: *empty },
            (Part::Trailer { .. }, _) if is_text(byte) => {
                self.spend()?;
                Part::Trailer { empty: false }
            }
            (Part::TrailerEnd { empty: true }, b'\n') => return Ok(true),
            (Part::TrailerEnd { empty: false }, b'\n') => Part::Trailer { empty: true },
            _ => return Err("the body's chunks cannot be read"),
        };
        Ok(false)
    }

    fn spend(&mut self) -> Result<(), &'static str> {
        self.spare += 1;
        if self.spare > MOST_SPARE { Err("the body has too many extensions or trailers") } else { Ok(()) }
    }
}

/// What may stand in an extension or a trailer: no control character but the tabulator.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_with_its_last_chunk_and_its_trailers() {
        for (body, end) in [
            ("0\r\n\r\nGET", 5),
            ("3\r\na\nb\r\n0\r\n\r\nrest", 13),
            ("0A;x=\"y\"\r\n0123456789\r\n000\r\nX: y\r\n\r\n", 35),
        ] {
            assert_eq!(Chunks::new().take(body.as_bytes()), Ok((end, true)), "{body:?}");
        }
        assert_eq!(Chunks::new().take(b"5\r\nab"), Ok((5, false)));
    }

    #[test]
    fn what_two_servers_could_read_differently_is_refused() {
        let long = format!("1;{}\r\n", "x".repeat(2000));
        for body in [
            "\r\n",
            "x\r\n",
            "0x3\r\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\n",
            "1;a\nb\r\n",
            "1\r\nab",
            "1\r\na\n",
            "0\r\n\n",
            "0\r\nX: y\n",
            "0\r\nX\0\r\n",
            "1000000000000000\r\n",
            &long,
        ] {
            assert!(Chunks::new().take(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
