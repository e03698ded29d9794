//! Progress bars, for people who wait at a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A progress bar; a hidden one off the terminal. It is gone when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start(bars: Option<&MultiProgress>, label: &str, total: Option<u64>) -> Self {
        let Some(bars) = bars else { return Self(ProgressBar::hidden()) };
        let template = if total.is_some() {
            "       {msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
        } else {
            "       {msg} {spinner} {elapsed}"
        };
        // Added first: whatever is set before would be drawn by the bar itself, and stay on the screen.
        let bar = bars.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(label.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Self(bar)
    }

    /// Adds to what is done.
    pub fn add(&self, units: u64) {
        self.0.inc(units);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
