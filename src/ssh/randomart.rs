//! OpenSSH's random art of a key's digest: the path of a bishop over 17 by 9 squares.

const WIDTH: usize = 17;
const HEIGHT: usize = 9;
/// Characters for squares by number of visits; the last two are the start and the end.
const MARKS: &[u8] = b" .o+=*BOX@%&#/^SE";

/// Draws a digest as `ssh-keygen -lv` does: `title` above (`ED25519 256`), `foot` below (`SHA256`).
pub(super) fn draw(digest: &[u8], title: &str, foot: &str) -> String {
    let mut visits = [[0u8; WIDTH]; HEIGHT];
    let (mut x, mut y) = (WIDTH / 2, HEIGHT / 2);
    let max = (MARKS.len() - 3) as u8;
    for byte in digest {
        for step in 0..4 {
            let bits = byte >> (2 * step);
            x = if bits & 1 == 1 { (x + 1).min(WIDTH - 1) } else { x.saturating_sub(1) };
            y = if bits & 2 == 2 { (y + 1).min(HEIGHT - 1) } else { y.saturating_sub(1) };
            visits[y][x] = visits[y][x].saturating_add(1).min(max);
        }
    }
    visits[HEIGHT / 2][WIDTH / 2] = max + 1;
    visits[y][x] = max + 2;
    let mut drawing = border(title);
    for row in visits {
        let marks: String = row.iter().map(|visits| char::from(MARKS[usize::from(*visits)])).collect();
        drawing.push_str(&format!("|{marks}|\n"));
    }
    drawing + &border(foot)
}

/// Returns `+---[ED25519 256]--+`, with the text in the middle.
fn border(text: &str) -> String {
    let text = format!("[{text}]");
    let left = WIDTH.saturating_sub(text.len()) / 2;
    let right = WIDTH.saturating_sub(text.len() + left);
    format!("+{}{text}{}+\n", "-".repeat(left), "-".repeat(right))
}
