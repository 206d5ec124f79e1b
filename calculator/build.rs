//! `words/*.ftl` become the table of [`words`](src/words.rs).

fn main() -> Result<(), portico_words::WordsError> {
    portico_words::build()
}
