//! Order statistics of what was measured.

/// The value below which `share` of the values lie, by the nearest rank. Sorts them.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    let place = (last * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

pub fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}

/// `[1.1, 1.2, 1.3]`, for showing what a median was taken of.
pub fn all(values: &[f64], digits: usize) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|value| format!("{value:.digits$}"))
        .collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (1..=101).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.0), 1.0);
        assert_eq!(quantile(&mut values, 0.5), 51.0);
        assert_eq!(quantile(&mut values, 0.99), 100.0);
        assert_eq!(median(&[3.0, 9.0, 1.0]), 3.0);
        assert!(median(&[]).is_nan());
    }
}
