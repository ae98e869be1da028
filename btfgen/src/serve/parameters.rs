//! Parameters: names and values from a query and from the fields of a form.

use std::str::FromStr;

use btfgen_core::hub::KernelFilter;
use clap::ValueEnum;

use super::problem::Problem;

/// Most parameters of a request.
const MAX_PARAMETERS: usize = 256;
/// Most bytes of a name and of a value.
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 1024;

/// The parameters of a request. A form sends fields that are not filled in, so an empty value is none.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a query.
    pub(super) fn of_query(query: Option<&str>) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            parameters.add(name.into_owned(), value.into_owned())?;
        }
        Ok(parameters)
    }

    pub(super) fn add(&mut self, name: String, value: String) -> Result<(), Problem> {
        if self.0.len() == MAX_PARAMETERS {
            return Err(Problem::parameter(format!("more than {MAX_PARAMETERS} parameters")));
        }
        // Not repeated in the answer, which would be as long.
        if name.len() > MAX_NAME || value.len() > MAX_VALUE {
            let error =
                format!("a parameter's name is longer than {MAX_NAME} bytes, or its value than {MAX_VALUE}");
            return Err(Problem::parameter(error));
        }
        if !value.is_empty() {
            self.0.push((name, value));
        }
        Ok(())
    }

    /// Refuses names that a route does not know.
    pub(super) fn check(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(Problem::parameter(format!(
                "there is no parameter {name:?}; there are {}",
                known.join(", ")
            ))),
        }
    }

    /// All values of a parameter.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// All values of a parameter, parsed.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Problem> {
        let wrong = |value, error| Problem::parameter(format!("{name} {value:?}: {error}"));
        self.all(name).into_iter().map(|value| parse(value).map_err(|error| wrong(value, error))).collect()
    }

    /// The only value of a parameter.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.all(name)[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Problem::parameter(format!("more than one {name}"))),
        }
    }

    /// The only value of a parameter, parsed.
    pub(super) fn one_parsed<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.one(name)?;
        Ok(self.parsed(name, |value| value.parse().map_err(|error: T::Err| error.to_string()))?.pop())
    }

    /// The only value of a parameter, one of the words that the command line takes.
    pub(super) fn word<T: ValueEnum>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.one(name)?;
        let words = T::value_variants().iter().filter_map(|word| word.to_possible_value());
        let words: Vec<String> = words.map(|word| word.get_name().to_owned()).collect();
        let unknown = |_| format!("not one of {}", words.join(", "));
        Ok(self.parsed(name, |value| T::from_str(value, false).map_err(unknown))?.pop())
    }

    /// The filter of `include`, `exclude` and `arch`.
    pub(super) fn filter(&self) -> Result<KernelFilter, Problem> {
        Ok(KernelFilter::new(&self.all("include"), &self.all("exclude"), &self.all("arch"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::OnFailure;

    fn parameters(query: &str) -> Parameters {
        Parameters::of_query(Some(query)).unwrap()
    }

    #[test]
    fn reads_a_query() {
        let all = parameters("kernel=debian%2F12%2F**&kernel=a+b&empty=&x");
        assert_eq!(all.all("kernel"), ["debian/12/**", "a b"]);
        assert_eq!(all.all("empty"), [""; 0]);
        all.check(&["kernel"]).unwrap();
        assert!(Parameters::of_query(None).unwrap().0.is_empty());
        for wrong in ["a=1&".repeat(257), "a".repeat(65) + "=1", "a=".to_owned() + &"1".repeat(1025)] {
            let problem = Parameters::of_query(Some(&wrong)).unwrap_err();
            assert!(problem.status == 400 && problem.error.len() < 100, "{}", problem.error);
        }
    }

    #[test]
    fn refuses() {
        let check = |result: Result<(), Problem>, expect: &str| {
            let problem = result.unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.error.as_str()), (400, expect));
        };
        check(parameters("a=1").check(&["b", "c"]), "there is no parameter \"a\"; there are b, c");
        check(parameters("a=1&a=2").one("a").map(drop), "more than one a");
        check(parameters("a=x").one_parsed::<u8>("a").map(drop), "a \"x\": invalid digit found in string");
        check(parameters("a=x").word::<OnFailure>("a").map(drop), "a \"x\": not one of keep, drop");
        check(parameters("include=***").filter().map(drop), "\"***\" is not a glob over kernel ids");
    }
}
