-- What the documents' examples refer to by name, with rows that are the same on every machine.
-- Run again it changes nothing: every table is made only when it is missing.

CREATE SCHEMA IF NOT EXISTS content;

CREATE TABLE IF NOT EXISTS public.customers AS
SELECT n AS customer_id,
       'Customer ' || n AS name,
       'customer' || n || '@example.com' AS email,
       (ARRAY['north', 'south', 'east', 'west'])[1 + n % 4] AS region,
       timestamp '2023-01-01' + n * interval '7 hours' AS created_at,
       timestamp '2024-01-01' + n * interval '5 hours' AS updated_at
FROM generate_series(1, 500) AS n;

CREATE TABLE IF NOT EXISTS public.products AS
SELECT n AS product_id,
       'Product ' || n AS product_name,
       (ARRAY['tools', 'parts', 'services'])[1 + n % 3] AS category,
       (5 + (n * 37) % 200)::numeric(10, 2) AS price
FROM generate_series(1, 60) AS n;

CREATE TABLE IF NOT EXISTS public.orders AS
SELECT n AS order_id,
       1 + (n * 7919) % 500 AS customer_id,
       (10 + (n * 131) % 990 + (n % 100) / 100.0)::numeric(10, 2) AS amount,
       (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + n % 4] AS status,
       date '2024-01-01' + n % 180 AS order_date,
       timestamp '2024-01-01' + n * interval '2 hours' AS updated_at
FROM generate_series(1, 2000) AS n;

CREATE TABLE IF NOT EXISTS public.order_items AS
SELECT n AS order_item_id,
       1 + (n * 31) % 2000 AS order_id,
       1 + (n * 17) % 60 AS product_id,
       1 + n % 5 AS quantity,
       (5 + ((1 + (n * 17) % 60) * 37) % 200)::numeric(10, 2) AS unit_price
FROM generate_series(1, 5000) AS n;

CREATE TABLE IF NOT EXISTS public.sales AS
SELECT i.order_item_id AS sale_id,
       p.product_name,
       o.order_date AS sale_date,
       i.quantity,
       (i.quantity * i.unit_price)::numeric(12, 2) AS revenue
FROM public.order_items i
JOIN public.orders o USING (order_id)
JOIN public.products p USING (product_id);

CREATE TABLE IF NOT EXISTS public.ml_model_predictions AS
SELECT n AS prediction_id,
       1 + n % 500 AS customer_id,
       (ARRAY['v1', 'v2'])[1 + n % 2] AS model_version,
       ((n * 7) % 100 / 100.0)::numeric(4, 2) AS score,
       timestamp '2024-06-01' + n * interval '1 minute' AS predicted_at
FROM generate_series(1, 1000) AS n;

CREATE TABLE IF NOT EXISTS content.film_work AS
SELECT n AS id,
       'Film ' || n AS title,
       ((n * 13) % 100 / 10.0)::numeric(3, 1) AS rating,
       timestamp '2024-01-01' + n * interval '1 hour' AS updated_at
FROM generate_series(1, 1000) AS n;

CREATE TABLE IF NOT EXISTS content.film_rating AS
SELECT n AS id,
       1 + (n * 7919) % 1000 AS film_id,
       (1 + (n * 31) % 10)::smallint AS score,
       timestamp '2024-01-01' + n * interval '3 minutes' AS rated_at
FROM generate_series(1, 20000) AS n;

DO $$
DECLARE wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('public.customers', 'customer_id'), ('public.products', 'product_id'), ('public.orders', 'order_id'),
            ('public.order_items', 'order_item_id'), ('public.sales', 'sale_id'),
            ('public.ml_model_predictions', 'prediction_id'), ('content.film_work', 'id'),
            ('content.film_rating', 'id')
        ) AS keys (tab, col)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = wanted.tab::regclass AND contype = 'p') THEN
            EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (%I)', wanted.tab, wanted.col);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'orders_customer_id_fkey') THEN
        ALTER TABLE public.orders ADD CONSTRAINT orders_customer_id_fkey
            FOREIGN KEY (customer_id) REFERENCES public.customers (customer_id);
        ALTER TABLE public.order_items ADD CONSTRAINT order_items_order_id_fkey
            FOREIGN KEY (order_id) REFERENCES public.orders (order_id);
        ALTER TABLE public.order_items ADD CONSTRAINT order_items_product_id_fkey
            FOREIGN KEY (product_id) REFERENCES public.products (product_id);
    END IF;
END $$;

CREATE OR REPLACE VIEW public.daily_sales_aggregation AS
SELECT sale_date, count(*) AS sales, sum(quantity) AS units_sold, sum(revenue) AS total_revenue
FROM public.sales
GROUP BY sale_date;

CREATE OR REPLACE FUNCTION public.calculate_metrics()
RETURNS TABLE (metric text, value numeric)
LANGUAGE sql STABLE
AS $$
    SELECT 'customers', count(*)::numeric FROM public.customers
    UNION ALL SELECT 'orders', count(*)::numeric FROM public.orders
    UNION ALL SELECT 'revenue', coalesce(sum(revenue), 0) FROM public.sales
$$;
GRANT EXECUTE ON FUNCTION public.calculate_metrics() TO PUBLIC;
