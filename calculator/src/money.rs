//! The sums.
//!
//! Rates are effective annual rates in per cent (AER for savings, APR for loans); a month's is (1 + a)^(1/12) − 1, as the
//! annual percentage rate is defined by Directive 2008/48/EC, annex I, for equal months.

/// How savings stand at the end of a year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Year {
    /// What has been paid in, or paid back of the loan itself.
    pub(crate) paid: f64,
    /// Interest so far.
    pub(crate) interest: f64,
    /// What is there, or still owed.
    pub(crate) balance: f64,
}

fn monthly_rate(annual_percent: f64) -> f64 {
    (1.0 + annual_percent / 100.0).powf(1.0 / 12.0) - 1.0
}

/// Savings year by year, the beginning first: `first` at once and `monthly` at the end of each month.
pub(crate) fn savings(first: f64, monthly: f64, annual_percent: f64, years: u32) -> Vec<Year> {
    let rate = monthly_rate(annual_percent);
    let (mut paid, mut balance) = (first, first);
    let mut course = vec![Year { paid, interest: 0.0, balance }];
    for _ in 0..years {
        for _ in 0..12 {
            balance += balance * rate + monthly;
            paid += monthly;
        }
        course.push(Year { paid, interest: balance - paid, balance });
    }
    course
}

/// What a loan costs each month: the annuity P·r / (1 − (1 + r)^−n), in whole cents.
pub(crate) fn instalment(amount: f64, annual_percent: f64, years: u32) -> f64 {
    let (rate, months) = (monthly_rate(annual_percent), f64::from(years * 12));
    let exact = if rate == 0.0 { amount / months } else { amount * rate / (1.0 - (1.0 + rate).powf(-months)) };
    (exact * 100.0).round() / 100.0
}

/// A loan year by year, the beginning first. The last instalment is whatever is left, so nothing is owed at the end.
pub(crate) fn loan(amount: f64, annual_percent: f64, years: u32) -> Vec<Year> {
    let (rate, each) = (monthly_rate(annual_percent), instalment(amount, annual_percent, years));
    let (mut balance, mut interest) = (amount, 0.0);
    let mut course = vec![Year { paid: 0.0, interest, balance }];
    for year in 1..=years {
        for month in 1..=12 {
            let cost = balance * rate;
            interest += cost;
            let is_last = year == years && month == 12;
            balance = if is_last { 0.0 } else { (balance + cost - each).max(0.0) };
        }
        course.push(Year { paid: amount - balance, interest, balance });
    }
    course
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn close(found: f64, expect: f64) {
        assert!((found - expect).abs() < 0.005, "{found} is not {expect}");
    }

    #[test]
    fn a_year_at_an_effective_rate_is_that_rate() {
        let course = savings(1_000.0, 0.0, 4.1, 3);
        close(course[1].balance, 1_041.0);
        close(course[3].balance, 1_000.0 * 1.041_f64.powi(3));
        close(course[3].interest, course[3].balance - 1_000.0);
        assert_eq!(course.len(), 4);
    }

    #[test]
    fn what_is_paid_in_monthly_grows_as_an_annuity() {
        let rate = 1.05_f64.powf(1.0 / 12.0) - 1.0;
        let course = savings(500.0, 100.0, 5.0, 10);
        let closed = 500.0 * 1.05_f64.powi(10) + 100.0 * (1.05_f64.powi(10) - 1.0) / rate;
        close(course[10].balance, closed);
        close(course[10].paid, 500.0 + 12_000.0);
    }

    #[test]
    fn no_interest_is_no_interest() {
        close(savings(10.0, 1.0, 0.0, 1)[1].balance, 22.0);
        close(instalment(1_200.0, 0.0, 1), 100.0);
        let course = loan(1_200.0, 0.0, 1);
        assert_eq!(course[1], Year { paid: 1_200.0, interest: 0.0, balance: 0.0 });
    }

    #[test]
    fn a_loan_is_paid_back_by_its_instalments() {
        let each = instalment(10_000.0, 6.4, 5);
        let course = loan(10_000.0, 6.4, 5);
        // The present value of the instalments at the monthly rate is the loan.
        let rate = 1.064_f64.powf(1.0 / 12.0) - 1.0;
        let worth: f64 = (1..=60).map(|month| each / (1.0 + rate).powi(month)).sum();
        assert!((worth - 10_000.0).abs() < 0.3, "{worth}");
        close(course[5].balance, 0.0);
        assert!((course[5].interest - (each * 60.0 - 10_000.0)).abs() < 0.5, "{course:?}");
        assert!(course.windows(2).all(|pair| pair[1].balance < pair[0].balance));
    }
}
