//! The picture that people know a key by: OpenSSH's random art, a bishop's drunken walk over 17 by 9 squares.

const WIDTH: usize = 17;
const HEIGHT: usize = 9;
/// What a square shows by how often it was visited; the last two are the start and the end.
const MARKS: &[u8] = b" .o+=*BOX@%&#/^SE";

/// As `ssh-keygen -lv` draws it: `title` above (`ED25519 256`), `foot` below (`SHA256`).
pub fn draw(digest: &[u8], title: &str, foot: &str) -> String {
    let mut visits = [[0u8; WIDTH]; HEIGHT];
    let (mut x, mut y) = (WIDTH / 2, HEIGHT / 2);
    let most = (MARKS.len() - 3) as u8;
    for byte in digest {
        for step in 0..4 {
            let bits = byte >> (2 * step);
            x = if bits & 1 == 1 { (x + 1).min(WIDTH - 1) } else { x.saturating_sub(1) };
            y = if bits & 2 == 2 { (y + 1).min(HEIGHT - 1) } else { y.saturating_sub(1) };
            visits[y][x] = visits[y][x].saturating_add(1).min(most);
        }
    }
    visits[HEIGHT / 2][WIDTH / 2] = most + 1;
    visits[y][x] = most + 2;
    let mut drawing = border(title);
    for row in visits {
        let marks: String = row.iter().map(|visits| char::from(MARKS[usize::from(*visits)])).collect();
        drawing.push_str(&format!("|{marks}|\n"));
    }
    drawing + &border(foot)
}

/// `+---[ED25519 256]--+`, the text in the middle.
fn border(text: &str) -> String {
    let text = format!("[{text}]");
    let left = WIDTH.saturating_sub(text.len()) / 2;
    let right = WIDTH.saturating_sub(text.len() + left);
    format!("+{}{text}{}+\n", "-".repeat(left), "-".repeat(right))
}
