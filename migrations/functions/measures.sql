-- Measures of two items. Symbols as in docs/scoring.md: c orders together, w weight, n baskets, m mass, N
-- all counted baskets.

-- Weights are summed as integers in units of 2^-38, so that equal orders give equal bytes in any order of
-- summation. One unit is 4e-12; a sum overflows only if a pair is in 33 million baskets of two.
CREATE OR REPLACE FUNCTION weight_units() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 274877906944;

-- Overlaps are summed in units of 2^-58; at most twenty terms add up to one.
CREATE OR REPLACE FUNCTION overlap_units() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 288230376151711744;

-- Returns the divisor of affinity for the popularity of j.
CREATE OR REPLACE FUNCTION popularity_divisor(mass_j float8, popularity_exponent float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN power(greatest(mass_j, 1), popularity_exponent);

CREATE OR REPLACE FUNCTION divided_affinity(
    orders_together bigint, weight float8, mass_i float8, divisor_j float8, shrinkage float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN orders_together / (orders_together + shrinkage) * weight / (mass_i * divisor_j);

-- Returns the default measure, in [0, 1]: the probability w/m_i of reaching j by picking a random basket
-- with i and a random other item from it, shrunk for rare pairs and discounted for bestsellers. With a
-- half-life the mass of an item can fall below 1; such an item is no bestseller.
CREATE OR REPLACE FUNCTION affinity(
    orders_together bigint, weight float8, mass_i float8, mass_j float8, shrinkage float8,
    popularity_exponent float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN divided_affinity(
    orders_together, weight, mass_i, popularity_divisor(mass_j, popularity_exponent), shrinkage
);

-- Returns the value of j given i under the named measure; NULL for an unknown measure.
CREATE OR REPLACE FUNCTION pair_value(
    measure text, orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, mass_i float8,
        mass_j float8,
    baskets bigint, shrinkage float8, popularity_exponent float8
) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE measure
    WHEN 'affinity' THEN affinity(orders_together, weight, mass_i, mass_j, shrinkage, popularity_exponent)
    WHEN 'count' THEN orders_together::float8
    WHEN 'confidence' THEN orders_together::float8 / baskets_i
    WHEN 'cosine' THEN orders_together / sqrt(baskets_i::float8 * baskets_j)
    WHEN 'jaccard' THEN orders_together::float8 / (baskets_i + baskets_j - orders_together)
    WHEN 'lift' THEN orders_together::float8 * baskets / (baskets_i::float8 * baskets_j)
END;

-- Returns every measure of two items from the same counts; zeros for items that share no basket. BEGIN
-- ATOMIC parses the body at creation: views call the function for readers who have no access to this
-- schema.
CREATE OR REPLACE FUNCTION pair_measures(
    orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, mass_i float8, mass_j float8,
    baskets bigint, shrinkage float8, popularity_exponent float8
) RETURNS TABLE (
    support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8, jaccard float8,
    affinity float8, reverse_affinity float8
) LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
SELECT coalesce(orders_together::float8 / nullif(baskets, 0), 0),
       coalesce(orders_together::float8 / baskets_i, 0),
       coalesce(orders_together::float8 / baskets_j, 0),
       coalesce(orders_together::float8 * baskets / (baskets_i::float8 * baskets_j), 0),
       coalesce(orders_together / sqrt(baskets_i::float8 * baskets_j), 0),
       coalesce(orders_together::float8 / (baskets_i + baskets_j - orders_together), 0),
       coalesce(affinity(orders_together, weight, mass_i, mass_j, shrinkage, popularity_exponent), 0),
       coalesce(affinity(orders_together, weight, mass_j, mass_i, shrinkage, popularity_exponent), 0);
END;

-- Returns the number of closest neighbours through which an item's overlap is counted.
CREATE OR REPLACE FUNCTION closest_neighbours() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 20;

-- Returns the trust in a step to a neighbour: 0 below 6 orders together, one half at 15.
CREATE OR REPLACE FUNCTION step_trust(orders_together bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN orders_together < 6 THEN 0
            ELSE orders_together::float8 * orders_together
                 / (orders_together::float8 * orders_together + 225) END;

-- Returns the share of the overlap to subtract for a number of seeds: 0 for one, nearly 1 for many.
CREATE OR REPLACE FUNCTION overlap_share(overlap_discount float8, seeds float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN overlap_discount * (seeds - 1) / (seeds + 4);
