//! Sample files that a person would want to open, made by code.

use std::f64::consts::TAU;
use std::io;

/// A file of the demo: its path below a mount, its content, its media type.
pub(super) struct Sample {
    pub(super) path: &'static str,
    pub(super) content: Vec<u8>,
    pub(super) content_type: &'static str,
}

const WELCOME: &str = "\
Welcome to davmux.

This folder is on this computer's disk. Beside it are two folders that are
buckets of an S3 server: /films answers a player or a browser with a redirect
to a signed link, so the bytes come straight from the bucket; /archive relays
them. Copy, rename and delete as you like, also from one to the other.
";

const NOTES: &str = "\
# Things to try

* Open picture.png here, and film-score.wav in /films.
* Move a file from /documents to /archive: it is streamed across.
* Make an empty folder in /films and restart: it is still there.
* Ask for a range:  curl -r 0-99 http://.../archive/letters/1843.txt
";

const LETTER: &str = "\
The Analytical Engine has no pretensions whatever to originate anything. It can
do whatever we know how to order it to perform. It can follow analysis; but it
has no power of anticipating any analytical relations or truths.

        Ada Lovelace, Note G, 1843
";

/// What is in the local folder.
pub(super) fn documents() -> io::Result<Vec<Sample>> {
    Ok(vec![
        text("welcome.txt", WELCOME),
        text("notes/things to try.md", NOTES),
        text("notes/names/größe & maß – 100 %.txt", "A name with umlauts, a dash and a percent sign.\n"),
        Sample { path: "picture.png", content: picture(640, 400)?, content_type: "image/png" },
    ])
}

/// What is in the bucket whose reads are redirected.
pub(super) fn films() -> io::Result<Vec<Sample>> {
    Ok(vec![
        Sample { path: "film-score.wav", content: melody(12), content_type: "audio/wav" },
        Sample { path: "posters/sunset.png", content: picture(960, 600)?, content_type: "image/png" },
        text("about.txt", "Files over 256 KiB in this bucket are redirected to clients that can follow.\n"),
    ])
}

/// What is in the bucket whose reads are relayed.
pub(super) fn archive() -> Vec<Sample> {
    vec![text("letters/1843.txt", LETTER), text("letters/drafts/empty.txt", "")]
}

fn text(path: &'static str, content: &str) -> Sample {
    Sample { path, content: content.as_bytes().to_vec(), content_type: "text/plain; charset=utf-8" }
}

/// A sun over water, as a PNG.
fn picture(width: u32, height: u32) -> io::Result<Vec<u8>> {
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    let (sun_x, sun_y, radius) = (f64::from(width) * 0.68, f64::from(height) * 0.42, f64::from(height) * 0.16);
    let horizon = f64::from(height) * 0.58;
    for y in 0..height {
        for x in 0..width {
            let (fx, fy) = (f64::from(x), f64::from(y));
            let sky = fy / horizon;
            let mut colour = [40.0 + 200.0 * sky, 60.0 + 90.0 * sky, 120.0 + 20.0 * (1.0 - sky)];
            if fy > horizon {
                let depth = (fy - horizon) / (f64::from(height) - horizon);
                let wave = ((fx / (8.0 + 40.0 * depth)).sin() * (fy / (2.0 + 6.0 * depth)).cos() + 1.0) / 2.0;
                let glitter = (1.0 - ((fx - sun_x).abs() / (radius * (1.0 + 2.0 * depth))).min(1.0)) * wave;
                colour = [20.0 + 200.0 * glitter, 50.0 + 130.0 * glitter, 90.0 + 60.0 * glitter + 20.0 * wave];
            } else if (fx - sun_x).hypot(fy - sun_y) < radius {
                colour = [255.0, 214.0, 120.0];
            }
            pixels.extend(colour.map(|channel| channel.clamp(0.0, 255.0) as u8));
        }
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(png)
}

/// A tune of so many seconds: WAV, 44,100 Hz, 16 bits, one channel.
fn melody(seconds: u32) -> Vec<u8> {
    const RATE: u32 = 44_100;
    const NOTES: [f64; 8] = [261.63, 329.63, 392.00, 523.25, 440.00, 349.23, 392.00, 329.63];
    let samples = RATE * seconds;
    let bytes = samples * 2;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend(2_u16.to_le_bytes());
    wav.extend(16_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    for sample in 0..samples {
        let time = f64::from(sample) / f64::from(RATE);
        let beat = time * 2.0;
        let note = NOTES[beat as usize % NOTES.len()];
        let fade = (-3.0 * beat.fract()).exp();
        let wave = (TAU * note * time).sin() + 0.3 * (TAU * 2.0 * note * time).sin();
        wav.extend(((wave * fade * 9_000.0) as i16).to_le_bytes());
    }
    wav
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tune_is_long_enough_to_be_redirected_and_its_header_tells_its_length() {
        let wav = melody(12);
        assert!(wav.len() > 256 * 1024);
        assert_eq!(u32::from_le_bytes(wav[40..44].try_into().unwrap()) as usize, wav.len() - 44);
    }

    #[test]
    fn the_picture_is_a_png() {
        let png = picture(64, 40).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        assert_eq!(reader.next_frame(&mut pixels).unwrap().width, 64);
    }
}
