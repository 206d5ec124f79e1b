//! Points on the earth and their distance.

/// A place on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    lat: f64,
    lon: f64,
}

/// Mean radius of the earth in kilometres (IUGG).
const EARTH_KM: f64 = 6_371.008_8;

impl Point {
    /// A point at a latitude from -90 to 90 and a longitude from -180 to 180 degrees; `None` outside.
    #[must_use]
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    /// Reads `{"lat":51.5,"lon":-0.12}`.
    pub(crate) fn from_json(json: &serde_json::Value) -> Option<Self> {
        Self::new(json.get("lat")?.as_f64()?, json.get("lon")?.as_f64()?)
    }

    /// Degrees north.
    #[must_use]
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Degrees east.
    #[must_use]
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// The great-circle distance in kilometres, by the haversine formula on a sphere: within 0.6 % of the ellipsoid's.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let half = |degrees: f64| libm::sin(degrees.to_radians() / 2.0);
        let (north, east) = (half(other.lat - self.lat), half(other.lon - self.lon));
        let shrink = libm::cos(self.lat.to_radians()) * libm::cos(other.lat.to_radians());
        let chord = (north * north + shrink * east * east).clamp(0.0, 1.0);
        2.0 * EARTH_KM * libm::asin(libm::sqrt(chord))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_an_atlas() {
        let check = |from: (f64, f64), to: (f64, f64), km: f64| {
            let [from, to] = [from, to].map(|(lat, lon)| Point::new(lat, lon).unwrap());
            assert!((from.distance_km(to) - km).abs() < km * 0.006 + 0.001, "{}", from.distance_km(to));
            assert!((from.distance_km(to) - to.distance_km(from)).abs() < 1e-9);
        };
        check((51.5074, -0.1278), (48.8566, 2.3522), 344.0);
        check((39.9042, 116.4074), (31.2304, 121.4737), 1067.0);
        check((0.0, 179.5), (0.0, -179.5), 111.2);
        check((90.0, 0.0), (-90.0, 0.0), 20_015.0);
        check((53.8, -1.55), (53.8, -1.55), 0.0);
    }

    #[test]
    fn what_is_not_on_the_earth_is_no_point() {
        let check = |lat, lon| assert_eq!(Point::new(lat, lon), None, "{lat} {lon}");
        check(90.1, 0.0);
        check(0.0, -180.1);
        check(f64::NAN, 0.0);
        check(0.0, f64::INFINITY);
    }
}
